#include "launch/words.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "ground/error.h"

namespace rdpipe {
namespace {

bool needs_no_quotes(char c) {
  const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || std::string_view("_-./,:+@%=").find(c) != std::string_view::npos;
}

// Takes words apart, a character at a time.
class Splitter {
 public:
  void take(char c) {
    if (escaped_) {
      // Within double quotes a backslash is one, but before what it can take the meaning of.
      if (quote_ == '"' && std::string_view("\\\"$`").find(c) == std::string_view::npos) word_ += '\\';
      word_ += c;
      escaped_ = false;
    } else if (c == '\\' && quote_ != '\'') {
      escaped_ = open_ = true;
    } else if (quote_ != 0) {
      if (c == quote_) {
        quote_ = 0;
      } else {
        word_ += c;
      }
    } else if (c == '\'' || c == '"') {
      quote_ = c;
      open_ = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      end_word();
    } else {
      word_ += c;
      open_ = true;
    }
  }
  void end_word() {
    if (open_) words.push_back(word_);
    word_.clear();
    open_ = false;
  }
  [[nodiscard]] bool unfinished() const { return escaped_ || quote_ != 0; }

  std::vector<std::string> words;

 private:
  std::string word_;
  char quote_ = 0;
  bool open_ = false, escaped_ = false;
};

}  // namespace

std::string quote_word(const std::string& word) {
  if (!word.empty() && std::all_of(word.begin(), word.end(), needs_no_quotes)) return word;
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::vector<std::string> split_words(const std::string& text, const std::string& what) {
  Splitter splitter;
  for (const char c : text) splitter.take(c);
  if (splitter.unfinished()) throw Error(Status::kUsage, what, "a quote or backslash has no end");
  splitter.end_word();
  if (splitter.words.empty()) throw Error(Status::kUsage, what, "is empty");
  return std::move(splitter.words);
}

}  // namespace rdpipe
