// What rdping does, one function for each kind of work. Each sleeps in a loop of its own, prints to standard
// output, and returns the exit status; SIGINT and the like end it early, and it says what there was until
// then.
#pragma once

#include <string>

#include <rdpipe/datagram.h>

#include "interrupts.h"
#include "ping_settings.h"

namespace rdpipe::tools {

[[nodiscard]] int ping(const PingSettings& settings, Interrupts& interrupts);
[[nodiscard]] int serve_pings(const PingSettings& settings, Interrupts& interrupts);
[[nodiscard]] int flood(const PingSettings& settings, Interrupts& interrupts);

// One line, at once.
void print_out(const std::string& line);
void print_ping_notice(const std::string& text);  // to standard error

// What an endpoint could not do, each with its number; empty where there was nothing of the kind.
[[nodiscard]] std::string trouble_of(const DatagramCounts& counts);
void add_trouble(DatagramCounts& sum, const DatagramCounts& counts);

// 0: never.
[[nodiscard]] Deadline end_after(Nanoseconds span);

}  // namespace rdpipe::tools
