// Lines off a descriptor that does not block. One thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace rdpipe {

class LineReader {
 public:
  explicit LineReader(std::size_t longest) : longest_(longest) {}
  // Takes what is there. False when nothing more will come.
  [[nodiscard]] bool fill(int fd);
  // The next line, without its end; one that grows beyond the longest comes in pieces.
  [[nodiscard]] std::optional<std::string> next();
  // What came after the last line's end.
  [[nodiscard]] std::string take_rest();

 private:
  std::size_t longest_;
  std::string bytes_;
};

}  // namespace rdpipe
