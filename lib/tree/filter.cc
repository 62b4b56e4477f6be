#include "tree/filter.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <utility>

namespace rdpipe {
namespace {

using Belongs = int (*)(int);
constexpr std::array<std::pair<std::string_view, Belongs>, 12> kNamedClasses{{
    {"alnum", ::isalnum},
    {"alpha", ::isalpha},
    {"blank", ::isblank},
    {"cntrl", ::iscntrl},
    {"digit", ::isdigit},
    {"graph", ::isgraph},
    {"lower", ::islower},
    {"print", ::isprint},
    {"punct", ::ispunct},
    {"space", ::isspace},
    {"upper", ::isupper},
    {"xdigit", ::isxdigit},
}};

// Where the class that begins at `pattern[0]` == '[' stops: one behind its ']', 0 for none.
struct ClassMatch {
  std::size_t end = 0;
  bool found = false;
};

// "[:name:]" at `at`: its size; 0 when it is something else, and npos when no class has that name.
std::size_t match_named_class(std::string_view pattern, std::size_t at, unsigned char c, bool& found) {
  if (!pattern.substr(at).starts_with("[:")) return 0;
  const std::size_t end = pattern.find(']', at + 2);
  if (end == std::string_view::npos) return std::string_view::npos;
  if (end == at + 2 || pattern[end - 1] != ':') return 0;
  const std::string_view name = pattern.substr(at + 2, std::max(end - 1, at + 2) - at - 2);
  const auto* named = std::ranges::find(kNamedClasses, name, [](const auto& pair) { return pair.first; });
  if (named == kNamedClasses.end()) return std::string_view::npos;
  found = found || named->second(c) != 0;
  return end + 1 - at;
}

ClassMatch match_class(std::string_view pattern, unsigned char c) {
  ClassMatch match;
  std::size_t at = 1;
  const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (negated) ++at;
  // A ']' in front is one of its characters.
  for (const std::size_t first = at; at < pattern.size() && (pattern[at] != ']' || at == first);) {
    const std::size_t named = match_named_class(pattern, at, c, match.found);
    if (named == std::string_view::npos) return {};
    at += named;
    if (named > 0) continue;
    const auto take = [&] {
      if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
      return static_cast<unsigned char>(pattern[at++]);
    };
    const unsigned char low = take();
    unsigned char high = low;
    if (at + 1 < pattern.size() && pattern[at] == '-' && pattern[at + 1] != ']') {
      ++at;
      high = take();
    }
    match.found = match.found || (c >= low && c <= high);
  }
  if (at >= pattern.size()) return {};
  match.end = at + 1;
  match.found = match.found != negated && c != '/';
  return match;
}

// How many characters of the pattern match the one `c`; 0: none does.
std::size_t match_one(std::string_view pattern, char c) {
  if (pattern.front() == '?') return c != '/' ? 1 : 0;
  if (pattern.front() == '[') {
    const ClassMatch match = match_class(pattern, static_cast<unsigned char>(c));
    return match.found ? match.end : 0;
  }
  if (pattern.front() == '\\' && pattern.size() > 1) return pattern[1] == c ? 2 : 0;
  return pattern.front() == c ? 1 : 0;
}

}  // namespace

bool is_pattern(std::string_view text) { return text.find_first_of("*?[") != std::string_view::npos; }

bool matches_pattern(std::string_view pattern, std::string_view text) {
  // Where to try again, one character later, for the last `*` and for the last `**`.
  struct Again {
    std::string_view pattern, text;
    bool possible = false;
  };
  Again star, double_star;
  for (;;) {
    if (!pattern.empty() && pattern.front() == '*') {
      const bool twice = pattern.starts_with("**");
      pattern.remove_prefix(pattern.find_first_not_of('*') == std::string_view::npos
                                ? pattern.size()
                                : pattern.find_first_not_of('*'));
      (twice ? double_star : star) = {pattern, text, true};
      if (twice) star.possible = false;
      continue;
    }
    if (pattern.empty() && text.empty()) return true;
    const std::size_t used = pattern.empty() || text.empty() ? 0 : match_one(pattern, text.front());
    if (used > 0) {
      pattern.remove_prefix(used);
      text.remove_prefix(1);
      continue;
    }
    if (star.possible && (star.text.empty() || star.text.front() == '/')) star.possible = false;
    Again& again = star.possible ? star : double_star;
    if (!again.possible || again.text.empty()) return false;
    again.text.remove_prefix(1);
    if (&again == &double_star) star.possible = false;
    pattern = again.pattern;
    text = again.text;
  }
}

Filters::Filters(const std::vector<CopyFilter>& rules) {
  for (const CopyFilter& filter : rules) {
    std::string_view pattern = filter.pattern;
    Rule rule;
    rule.include = filter.include;
    rule.directories_only = pattern.size() > 1 && pattern.ends_with('/');
    if (rule.directories_only) pattern.remove_suffix(1);
    rule.anchored = pattern.starts_with('/');
    if (rule.anchored) pattern.remove_prefix(1);
    rule.wild = is_pattern(pattern);
    rule.whole_path =
        pattern.find('/') != std::string_view::npos || pattern.find("**") != std::string_view::npos;
    rule.pattern = pattern;
    if (!rule.pattern.empty()) rules_.push_back(std::move(rule));
  }
}

bool Filters::Rule::matches_text(std::string_view text) const {
  return wild ? matches_pattern(pattern, text) : pattern == text;
}

bool Filters::matches(const Rule& rule, std::string_view path, bool is_directory) {
  if (rule.directories_only && !is_directory) return false;
  if (!rule.anchored && !rule.whole_path) return rule.matches_text(path.substr(path.rfind('/') + 1));
  std::string text(path);
  // "**/name" is also at the top, and "name/***" also the directory itself.
  if (!rule.anchored && rule.pattern.starts_with("**")) text.insert(0, 1, '/');
  if (is_directory && rule.pattern.ends_with("***")) text += '/';
  if (rule.anchored) return rule.matches_text(text);
  for (std::size_t from = 0;;) {
    if (rule.matches_text(std::string_view(text).substr(from))) return true;
    from = text.find('/', from);
    if (from == std::string::npos) return false;
    ++from;
  }
}

bool Filters::excludes(std::string_view path, bool is_directory) const {
  for (const Rule& rule : rules_) {
    if (matches(rule, path, is_directory)) return !rule.include;
  }
  return false;
}

}  // namespace rdpipe
