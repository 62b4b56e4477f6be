// One line on the terminal that is drawn again and again, and makes way for every other line. What is drawn
// ends with the cursor at the line's beginning: wherever a terminal puts its text when it is resized, it
// keeps the cursor at that, and all that came of the line can be erased from there. Off a terminal, or on one
// that knows no control codes, it is a plain line now and then. It never waits for the terminal. One thread.
#pragma once

#include <cstddef>
#include <string>

#include <rdpipe/shared_output.h>

#include "reading.h"

namespace rdpipe::tools {

class ProgressLine {
 public:
  // `always`: also where there is no terminal that can draw. `screen`, standard error, outlives it.
  ProgressLine(SharedOutput& screen, bool always);
  [[nodiscard]] bool wanted() const { return draws_ || prints_; }
  [[nodiscard]] bool draws() const { return draws_; }
  // What is shown now is seen: no other job has the terminal.
  [[nodiscard]] bool is_seen() const;

  void show(const Reading& reading);
  // Takes it away, for another line.
  void clear();
  // What stays.
  void finish(const Reading& reading);

 private:
  void write(const std::string& text);

  SharedOutput& screen_;
  bool draws_, prints_;
  bool drawn_ = false;
  std::size_t width_ = 0;  // of the terminal, when it was drawn
};

}  // namespace rdpipe::tools
