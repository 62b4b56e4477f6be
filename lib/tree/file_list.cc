#include "tree/file_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ground/error.h"

namespace rdpipe {

const FileList::Node* FileList::Node::find(std::string_view name) const {
  const auto found = below.find(name);
  return found == below.end() ? nullptr : &found->second;
}

FileList::FileList(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    Node* at = &top_;
    for (std::size_t from = 0; from < path.size();) {
      const std::size_t end = std::min(path.find('/', from), path.size());
      const std::string part = path.substr(from, end - from);
      from = end + 1;
      if (part.empty() || part == ".") continue;
      if (part == "..") {
        throw Error(Status::kUsage, fmt::format("copy '{}'", printable(path)),
                    "'..' leads out of the source");
      }
      at = &at->below[part];
    }
    at->listed = at->listed || !path.empty();
  }
}

// Lets go of one after another, not each within the other: a list may be deeper than the stack.
FileList::~FileList() {
  std::vector<Node> left;
  left.push_back(std::move(top_));
  while (!left.empty()) {
    Node one = std::move(left.back());
    left.pop_back();
    for (auto& [name, below] : one.below) left.push_back(std::move(below));
  }
}

}  // namespace rdpipe
