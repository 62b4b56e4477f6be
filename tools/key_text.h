// A key's text: it stays in one place in memory, however it is handed on, and is wiped when it goes.
#pragma once

#include <string>
#include <string_view>

namespace rdpipe::tools {

constexpr std::size_t kLongestKey = 1024;  // bytes

class KeyText {
 public:
  explicit KeyText(std::string_view text = {});
  KeyText(KeyText&&) noexcept = default;
  KeyText& operator=(KeyText&&) = delete;
  ~KeyText();

  [[nodiscard]] std::string_view text() const noexcept { return text_; }
  [[nodiscard]] bool is_full() const noexcept { return text_.size() > kLongestKey; }  // no key is that long
  void append(char next) { text_ += next; }                                           // unless it is full

 private:
  std::string text_;  // always on the heap: moving it moves no byte
};

}  // namespace rdpipe::tools
