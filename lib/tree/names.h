// The names that were listed of one directory, to refuse a second one of the same name and to tell what to
// delete: a hash of 64 bits each, with a secret of the process (a false match, one in 10^19, keeps a file too
// much). One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace rdpipe {

class NameSet {
 public:
  // False when it was there.
  bool insert(std::string_view name);
  [[nodiscard]] bool contains(std::string_view name) const;
  [[nodiscard]] std::size_t size() const { return count_; }
  void clear();

 private:
  [[nodiscard]] std::size_t place_of(std::uint64_t hash) const;  // where it is, or where it would go
  void grow();

  std::vector<std::uint64_t> table_;  // open addressing; 0: free
  std::size_t count_ = 0;
};

}  // namespace rdpipe
