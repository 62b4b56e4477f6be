// The rules of --include and --exclude, as rsync means them: the first that matches decides. Pure; any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tree/copy.h"

namespace rdpipe {

// Whether `text` is what `pattern` says: `*` and `?` stop at '/', `**` does not, `\` takes the next character
// as it stands, [...] is a class, with [:alpha:] and its like; one that does not end matches nothing.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view text);
// Whether it holds `*`, `?` or `[`.
[[nodiscard]] bool is_pattern(std::string_view text);

class Filters {
 public:
  explicit Filters(const std::vector<CopyFilter>& rules);
  [[nodiscard]] bool empty() const { return rules_.empty(); }
  // `path`: from the top of the transfer, components separated by '/', without one in front.
  [[nodiscard]] bool excludes(std::string_view path, bool is_directory) const;

 private:
  struct Rule {
    bool include = false;
    bool directories_only = false;
    bool anchored = false;    // from the top
    bool whole_path = false;  // against the path's end, not the last component
    bool wild = false;        // otherwise it is a name as it stands, backslashes and all
    std::string pattern;
    [[nodiscard]] bool matches_text(std::string_view text) const;
  };
  [[nodiscard]] static bool matches(const Rule& rule, std::string_view path, bool is_directory);
  std::vector<Rule> rules_;
};

}  // namespace rdpipe
