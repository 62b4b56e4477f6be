#include "tree/filter.h"

#include <cstddef>

namespace rdpipe {
namespace {

// The end of the class that begins at `pattern[at]` == '[': one behind its ']'; npos when it is none.
std::size_t class_end(std::string_view pattern, std::size_t at) {
  std::size_t end = at + 1;
  if (end < pattern.size() && (pattern[end] == '!' || pattern[end] == '^')) ++end;
  if (end < pattern.size() && pattern[end] == ']') ++end;
  while (end < pattern.size() && pattern[end] != ']') end += pattern[end] == '\\' ? 2 : 1;
  return end < pattern.size() ? end + 1 : std::string_view::npos;
}

bool in_named_class(std::string_view name, unsigned char c) {
  const bool lower = c >= 'a' && c <= 'z';
  const bool upper = c >= 'A' && c <= 'Z';
  const bool digit = c >= '0' && c <= '9';
  if (name == "alpha") return lower || upper;
  if (name == "digit") return digit;
  if (name == "alnum") return lower || upper || digit;
  if (name == "lower") return lower;
  if (name == "upper") return upper;
  if (name == "space") return c == ' ' || (c >= '\t' && c <= '\r');
  if (name == "punct") return c > ' ' && c < 0x7F && !lower && !upper && !digit;
  return false;
}

// `inside`: what stands between the brackets.
bool in_class(std::string_view inside, unsigned char c) {
  bool negated = false;
  if (!inside.empty() && (inside.front() == '!' || inside.front() == '^')) {
    negated = true;
    inside.remove_prefix(1);
  }
  bool found = false;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (inside.substr(i).starts_with("[:")) {
      const auto end = inside.find(":]", i);
      if (end != std::string_view::npos) {
        found = found || in_named_class(inside.substr(i + 2, end - i - 2), c);
        i = end + 1;
        continue;
      }
    }
    if (inside[i] == '\\' && i + 1 < inside.size()) ++i;
    const auto low = static_cast<unsigned char>(inside[i]);
    auto high = low;
    if (i + 2 < inside.size() && inside[i + 1] == '-') {
      i += 2;
      if (inside[i] == '\\' && i + 1 < inside.size()) ++i;
      high = static_cast<unsigned char>(inside[i]);
    }
    found = found || (c >= low && c <= high);
  }
  return found != negated && c != '/';
}

// How many characters of the pattern match the one `c`; 0: none does.
std::size_t match_one(std::string_view pattern, char c) {
  if (pattern.front() == '?') return c != '/' ? 1 : 0;
  if (pattern.front() == '[') {
    const auto end = class_end(pattern, 0);
    if (end != std::string_view::npos) {
      return in_class(pattern.substr(1, end - 2), static_cast<unsigned char>(c)) ? end : 0;
    }
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
    if (pattern.ends_with("/***")) {
      rule.below_too = true;
      pattern.remove_suffix(4);
    } else if (pattern.size() > 1 && pattern.ends_with('/')) {
      rule.directories_only = true;
      pattern.remove_suffix(1);
    }
    rule.anchored = pattern.starts_with('/');
    if (rule.anchored) pattern.remove_prefix(1);
    rule.whole_path =
        pattern.find('/') != std::string_view::npos || pattern.find("**") != std::string_view::npos;
    rule.pattern = pattern;
    if (!rule.pattern.empty()) rules_.push_back(std::move(rule));
  }
}

bool Filters::matches(const Rule& rule, std::string_view path, bool is_directory) {
  if (rule.below_too) {
    Rule above = rule;
    above.below_too = false;
    above.directories_only = true;
    if (matches(above, path, is_directory)) return true;
    above.directories_only = false;
    for (auto slash = path.rfind('/'); slash != std::string_view::npos; slash = path.rfind('/', slash - 1)) {
      if (matches(above, path.substr(0, slash), true)) return true;
      if (slash == 0) break;
    }
    return false;
  }
  if (rule.directories_only && !is_directory) return false;
  if (rule.anchored) return matches_pattern(rule.pattern, path);
  const auto slash = path.rfind('/');
  if (!rule.whole_path) {
    return matches_pattern(rule.pattern, slash == std::string_view::npos ? path : path.substr(slash + 1));
  }
  for (std::size_t from = 0;;) {
    if (matches_pattern(rule.pattern, path.substr(from))) return true;
    from = path.find('/', from);
    if (from == std::string_view::npos) return false;
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
