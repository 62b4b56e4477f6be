#include "launch/lines.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace rdpipe {

bool LineReader::fill(int fd) {
  std::array<char, 4096> piece{};
  while (bytes_.size() <= longest_) {
    const auto count = ::read(fd, piece.data(), piece.size());
    if (count == 0) return false;
    if (count == -1) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    bytes_.append(piece.data(), static_cast<std::size_t>(count));
  }
  return true;
}

std::optional<std::string> LineReader::next() {
  const std::size_t end = bytes_.find('\n');
  if (end == std::string::npos) {
    if (bytes_.size() <= longest_) return {};
    return std::exchange(bytes_, {});
  }
  std::string line = bytes_.substr(0, end);
  bytes_.erase(0, end + 1);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

std::string LineReader::take_rest() { return std::exchange(bytes_, {}); }

}  // namespace rdpipe
