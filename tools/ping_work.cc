#include "ping_work.h"

#include <fmt/format.h>

#include <vector>

#include <rdpipe/error.h>

#include "report.h"

namespace rdpipe::tools {

void print_out(const std::string& line) { print_answer_line(line); }

void print_ping_notice(const std::string& text) { print_line("rdping: " + text); }

std::string trouble_of(const DatagramCounts& counts) {
  std::vector<std::string> texts;
  const auto add = [&](std::uint64_t count, const char* text) {
    if (count > 0) texts.push_back(fmt::format("{} {}", count, text));
  };
  add(counts.ran_empty, "times out of receives");
  add(counts.unreachable, "not sent: no way there");
  add(counts.send_errors, "perhaps not sent: errors");
  add(counts.restarts, "restarts of a queue pair");
  return fmt::format("{}", fmt::join(texts, "; "));
}

void add_trouble(DatagramCounts& sum, const DatagramCounts& counts) {
  sum.ran_empty += counts.ran_empty;
  sum.unreachable += counts.unreachable;
  sum.send_errors += counts.send_errors;
  sum.restarts += counts.restarts;
}

Deadline end_after(Nanoseconds span) { return span.count() > 0 ? Deadline::in(span) : Deadline::never(); }

}  // namespace rdpipe::tools
