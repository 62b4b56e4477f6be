#include "tree/mode_change.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "ground/error.h"
#include "tree/copy.h"

namespace rdpipe {
namespace {

constexpr mode_t kAllBits = 07777;
constexpr mode_t kAnyExecute = S_IXUSR | S_IXGRP | S_IXOTH;

// What one letter behind '+', '-' or '=' stands for, for `who` (a combination of 0700, 0070, 0007).
std::optional<mode_t> letter_bits(char letter, mode_t who) {
  switch (letter) {
    case 'r':
      return 0444 & who;
    case 'w':
      return 0222 & who;
    case 'x':
    case 'X':
      return 0111 & who;
    case 's':
      return ((who & S_IRWXU) != 0 ? S_ISUID : 0U) | ((who & S_IRWXG) != 0 ? S_ISGID : 0U);
    case 't':
      return S_ISVTX;
    default:
      return {};
  }
}

mode_t who_bits(char letter) {
  switch (letter) {
    case 'u':
      return S_IRWXU;
    case 'g':
      return S_IRWXG;
    case 'o':
      return S_IRWXO;
    default:
      return 0777;
  }
}

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  for (std::size_t comma = text.find(','); comma != std::string::npos; comma = text.find(',', from)) {
    parts.push_back(text.substr(from, comma - from));
    from = comma + 1;
  }
  parts.push_back(text.substr(from));
  return parts;
}

bool is_octal(const std::string& text) {
  return !text.empty() && text.size() <= 4 && text.find_first_not_of("01234567") == std::string::npos;
}

}  // namespace

std::optional<ModeChange::Clause> ModeChange::parse_clause(std::string text, mode_t umask) {
  Clause clause;
  if (text.starts_with('D') || text.starts_with('F')) {
    (text.front() == 'D' ? clause.others : clause.directories) = false;
    text.erase(0, 1);
  }
  if (is_octal(text)) {
    clause.clears = kAllBits;
    clause.sets = static_cast<mode_t>(std::stoul(text, nullptr, 8));
    return clause;
  }
  const auto operation = text.find_first_of("+-=");
  if (operation == std::string::npos || text.find_first_not_of("ugoa") != operation) return {};
  mode_t who = 0;
  for (std::size_t i = 0; i < operation; ++i) who |= who_bits(text[i]);
  const bool everybody = who == 0;
  if (everybody) who = 0777 & ~umask;
  const char sign = text[operation];
  if (sign == '=') clause.clears = everybody ? 0777 : who;
  const std::string letters = text.substr(operation + 1);
  if (letters == "u" || letters == "g" || letters == "o") {
    clause.copied = who_bits(letters.front());
    clause.copies_to = who;
    clause.copies_away = sign == '-';
    return clause;
  }
  for (const char letter : letters) {
    const auto bits = letter_bits(letter, who);
    if (!bits) return {};
    mode_t& into = sign == '-' ? (letter == 'X' ? clause.clears_if_any_x : clause.clears)
                               : (letter == 'X' ? clause.sets_if_any_x : clause.sets);
    into |= *bits;
  }
  return clause;
}

std::optional<ModeChange> ModeChange::parse(const std::string& text, mode_t umask) {
  ModeChange change;
  if (text.empty()) return change;
  for (const std::string& part : split_at_commas(text)) {
    auto clause = parse_clause(part, umask);
    if (!clause) return {};
    change.clauses_.push_back(*clause);
  }
  return change;
}

mode_t ModeChange::copied_bits(const Clause& clause, mode_t mode) {
  const int shift = clause.copied == S_IRWXU ? 6 : clause.copied == S_IRWXG ? 3 : 0;
  const mode_t three = (mode & clause.copied) >> shift;
  return (three * 0111) & clause.copies_to;
}

mode_t ModeChange::apply(mode_t mode, bool is_directory) const {
  for (const Clause& clause : clauses_) {
    if (is_directory ? !clause.directories : !clause.others) continue;
    const bool any_x = is_directory || (mode & kAnyExecute) != 0;
    const mode_t copied = copied_bits(clause, mode);
    mode &= ~clause.clears;
    if (clause.copies_away)
      mode &= ~copied;
    else
      mode |= copied;
    if (any_x) mode &= ~clause.clears_if_any_x;
    mode |= clause.sets;
    if (any_x) mode |= clause.sets_if_any_x;
  }
  return mode & kAllBits;
}

std::optional<std::string> check_chmod(const std::string& chmod) {
  if (ModeChange::parse(chmod, 022)) return {};
  return fmt::format("'{}': not a list of changes like \"u+rw,D755,Fgo-w\"", printable(chmod, 80));
}

}  // namespace rdpipe
