// What rdcp shows while it copies and when it has: names on standard output, the rest on standard error. The
// progress line makes way for every other line.
#pragma once

#include <string>

#include <rdpipe/copy.h>

#include "settings.h"

namespace rdpipe::tools {

class Display {
 public:
  explicit Display(const CommandLine& line);
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;
  ~Display();  // leaves the cursor at the start of a line

  // Makes both speak through this, which outlives their use.
  void attach(CopyOptions& copy);
  void attach(LaunchOptions& launch, Options& connection);

  // The end of a copy: warnings, --stats, -v. Returns the exit status.
  [[nodiscard]] int conclude(const CopyReport& report);

 private:
  void list(const std::string& line);
  void say(const std::string& line);
  void show(const CopyProgress& progress);
  void clear();
  void print_summary(const CopyReport& report);
  void print_stats(const CopyReport& report) const;
  [[nodiscard]] std::string number(std::uint64_t value) const;

  bool quiet_, list_, progress_, stats_, human_, dry_run_;
  bool verbose_;
  bool drawn_ = false;  // there is a progress line
  int output_error_ = 0;
};

}  // namespace rdpipe::tools
