// rdping's own options, and what goes together.
#include <fmt/format.h>

#include <array>

#include "options.h"
#include "ping_message.h"
#include "values.h"

namespace rdpipe::tools {
namespace {

[[noreturn]] void reject(const std::string& cause) { throw Error(Status::kUsage, "", cause, "see --help"); }

void choose(CommandLine& line, PingWork work) {
  PingWork& chosen = line.ping.work;
  if (chosen != PingWork::kPing && chosen != work) reject("--serve, --flood and --check exclude each other");
  chosen = work;
}

constexpr int kMostThreads = 1024;
constexpr int kLongestBurst = 64;

constexpr auto kOptions = std::to_array<Option>({
    {'c', "count", "N", kPing, "end after N messages",
     [](CommandLine& line, const std::string& v) {
       line.ping.count = static_cast<std::uint64_t>(number_value("--count", v, 1, 2000000000));
     }},
    {'i', "interval", "SECONDS", kPing, "time between messages (1); 0: the next when the answer has come",
     [](CommandLine& line, const std::string& v) { line.ping.interval = seconds_value("--interval", v, 0); }},
    {'s', "size", "BYTES", kPing, "size of a message (64), from 24 to what a packet holds",
     [](CommandLine& line, const std::string& v) {
       line.ping.size =
           static_cast<std::size_t>(number_value("--size", v, static_cast<int>(kPingHeader), 65536));
     }},
    {'w', "deadline", "SECONDS", kPing, "end after so long, answered or not; --flood: 5",
     [](CommandLine& line, const std::string& v) { line.ping.deadline = seconds_value("--deadline", v, 0); }},
    {0, "serve", nullptr, kPing, "answer: send back what comes",
     [](CommandLine& line, const std::string&) { choose(line, PingWork::kServe); }},
    {0, "flood", nullptr, kPing, "send bursts as fast as they come back, and report the rate",
     [](CommandLine& line, const std::string&) { choose(line, PingWork::kFlood); }},
    {'t', "threads", "N", kPing, "--serve, --flood: threads, each with an endpoint of its own (1)",
     [](CommandLine& line, const std::string& v) {
       line.ping.threads = number_value("--threads", v, 1, kMostThreads);
     }},
    {'b', "burst", "N", kPing, "--flood: messages in a burst (16), 1 to 64",
     [](CommandLine& line, const std::string& v) {
       line.ping.burst = static_cast<std::size_t>(number_value("--burst", v, 1, kLongestBurst));
     }},
    {0, "window", "N", kPing, "--flood: bursts under way to each host (4)",
     [](CommandLine& line, const std::string& v) {
       line.ping.window = static_cast<std::size_t>(number_value("--window", v, 1, 64));
     }},
    {'p', "port", "PORT", kPing, "--serve: the port that names are asked for at (7471); 0: a free one",
     [](CommandLine& line, const std::string& v) { line.ping.port = v; }},
    {0, "name", "NAME", kPing, "--serve: this host's name in the registry",
     [](CommandLine& line, const std::string& v) { line.ping.name = v; }},
    {0, "busy-poll", "MICROSECONDS", kPing, "look for so long before sleeping (0)",
     [](CommandLine& line, const std::string& v) {
       line.ping.busy_poll = std::chrono::microseconds(number_value("--busy-poll", v, 0, 1000000));
     }},
    {'q', "quiet", nullptr, kPing, "print the summary only",
     [](CommandLine& line, const std::string&) { line.ping.quiet = true; }},
    {0, "check", nullptr, kPing, "tell what is in the way of RDMA on this host, and to HOST",
     [](CommandLine& line, const std::string&) { choose(line, PingWork::kCheck); }},
    {0, "json", nullptr, kPing, "--check: print one JSON object",
     [](CommandLine& line, const std::string&) { line.ping.json = true; }},
});

}  // namespace

std::span<const Option> ping_options() { return kOptions; }

void require_sense(const PingSettings& settings) {
  const PingWork work = settings.work;
  if (work == PingWork::kServe && !settings.hosts.empty()) reject("--serve takes no HOST");
  if (work != PingWork::kFlood && settings.hosts.size() > 1) reject("one HOST at a time, but for --flood");
  const bool needs_host = work == PingWork::kPing || work == PingWork::kFlood;
  if (needs_host && settings.hosts.empty()) reject("HOST is missing");
  const bool has_threads = work == PingWork::kServe || work == PingWork::kFlood;
  if (!has_threads && settings.threads != 1) reject("--threads is for --serve and --flood");
  if (work != PingWork::kCheck && settings.json) reject("--json is for --check");
}

}  // namespace rdpipe::tools
