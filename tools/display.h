// What rdcp shows while it copies and when it has: names on standard output, the rest by way of its monitor.
#pragma once

#include <string>

#include <rdpipe/copy.h>

#include "monitor.h"
#include "settings.h"

namespace rdpipe::tools {

class Display {
 public:
  // `monitor` outlives it.
  Display(const CommandLine& line, Monitor& monitor);
  Display(const Display&) = delete;
  Display& operator=(const Display&) = delete;
  ~Display() = default;

  // Makes both speak through this, which outlives their use.
  void attach(CopySettings& settings);
  void attach(LaunchOptions& launch, Options& connection);

  // The end of a copy: warnings, --stats, -v. Returns the exit status.
  [[nodiscard]] int conclude(const CopyReport& report);

 private:
  void list(const std::string& line);
  void say(const std::string& line);
  void print_summary(const CopyReport& report);
  void print_stats(const CopyReport& report) const;
  [[nodiscard]] std::string number(std::uint64_t value) const;

  Monitor& monitor_;
  bool list_, stats_, human_, dry_run_, verbose_;
  int output_error_ = 0;
};

}  // namespace rdpipe::tools
