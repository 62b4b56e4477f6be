// The names of --files-from as a tree. Immutable; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace rdpipe {

class FileList {
 public:
  struct Node {
    bool listed = false;  // itself; otherwise it is on the way to what is
    std::map<std::string, Node, std::less<>> below{};
    [[nodiscard]] bool is_on_the_way() const { return !below.empty(); }
    // Null: there is none.
    [[nodiscard]] const Node* find(std::string_view name) const;
  };

  // Empty components and "." are skipped, and so is an empty path; "." is the top itself. Throws
  // Error{kUsage} for "..".
  explicit FileList(const std::vector<std::string>& paths);
  FileList(const FileList&) = delete;
  FileList& operator=(const FileList&) = delete;
  ~FileList();
  [[nodiscard]] const Node& top() const { return top_; }

 private:
  Node top_;
};

}  // namespace rdpipe
