// What rdping does, one function for each kind of work. Each sleeps in a loop of its own, prints to standard
// output, and returns the exit status; SIGINT and the like end it early, and it says what there was until
// then.
#pragma once

#include <memory>
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

// What RDPIPE_REGISTRY says, or nothing.
[[nodiscard]] std::string registry_url();
// The registry that it names, or none.
[[nodiscard]] std::unique_ptr<Registry> registry_of_environment(Loop& loop);

// In the registry where there is one, otherwise at the host itself; the name of an endpoint may be left out.
[[nodiscard]] FoundEndpoint find_ping_server(Loop& loop, EndpointName name, const PingSettings& settings,
                                             Deadline deadline);

}  // namespace rdpipe::tools
