// A terminal, pipe or file that somebody else has opened and may share: written to without waiting longer
// than the caller wants, and without setting O_NONBLOCK on it. What cannot be written any more, because
// nobody is left to read it, counts as written. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ground/deadline.h"
#include "ground/descriptor.h"

namespace rdpipe {

// Another description, with O_NONBLOCK, of the pipe or terminal `fd`, opened for `mode`. Empty, with errno
// set, where that is not allowed.
[[nodiscard]] Descriptor open_again(int fd, int mode) noexcept;

class __attribute__((visibility("default"))) SharedOutput {
 public:
  // `fd` stays its owner's, and open. Deadline::never() is only as long as `pressed` does not say that there
  // is no time any more.
  explicit SharedOutput(int fd, bool (*pressed)() noexcept = nullptr);
  SharedOutput(const SharedOutput&) = delete;
  SharedOutput& operator=(const SharedOutput&) = delete;
  ~SharedOutput();

  // How many bytes of the front of `bytes` were taken without waiting; 0: there is no room now.
  [[nodiscard]] std::size_t write_now(std::string_view bytes);
  // False when there is none at `until` either.
  [[nodiscard]] bool await_room(Deadline until) const;
  // A whole text: false when nothing of it could be written by `until`, or of what was begun before it; it is
  // then left out. What could not be ended is ended before anything else is begun. Once it was waited in
  // vain, nothing is waited for before there is room again, but by who never gives up.
  bool write(std::string_view text, Deadline until);

 private:
  [[nodiscard]] bool end_begun(Deadline until);

  int fd_;
  bool (*pressed_)() noexcept;
  bool is_socket_ = false, may_block_ = false;
  std::size_t surely_ = 0;  // bytes that it takes without blocking where it says that there is room
  Descriptor own_;          // the same terminal or pipe, with O_NONBLOCK; empty where that is not allowed
  std::string begun_;       // what is left of a text
  bool is_stuck_ = false;
};

}  // namespace rdpipe
