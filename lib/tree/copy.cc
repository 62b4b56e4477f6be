#include "tree/copy.h"

#include "ground/exception.h"

namespace rdpipe {

int CopyReport::status() const {
  constexpr int kMaxDeleteReached = 25;  // rsync's
  if (failed > 0) return static_cast<int>(Status::kPartial);
  if (vanished > 0) return static_cast<int>(Status::kVanished);
  return undeleted > 0 ? kMaxDeleteReached : static_cast<int>(Status::kOk);
}

bool stands_for_contents(const std::string& source) {
  return source.ends_with('/') || source == "." || source == ".." || source.ends_with("/.") ||
         source.ends_with("/..");
}

}  // namespace rdpipe
