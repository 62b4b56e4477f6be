// rdping's own options, and what goes together.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

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
    {'w', "deadline", "SECONDS", kPing, "end after so long, answered or not (--flood: 5); 0: no limit",
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
    {0, "busy-poll", "MICROSECONDS", kPing, "look for so long before sleeping (auto)",
     [](CommandLine& line, const std::string& v) {
       line.ping.busy_poll.reset();
       if (v == "auto") return;
       if (v.empty() || v[0] < '0' || v[0] > '9')
         reject_value("--busy-poll", v, "auto or a number of microseconds");
       line.ping.busy_poll = std::chrono::microseconds(number_value("--busy-poll", v, 0, 1000000));
     }},
    {'q', "quiet", nullptr, kPing, "print the summary only",
     [](CommandLine& line, const std::string&) { line.ping.quiet = true; }},
    {0, "check", nullptr, kPing, "tell what is in the way of RDMA on this host, and to HOST",
     [](CommandLine& line, const std::string&) { choose(line, PingWork::kCheck); }},
    {0, "json", nullptr, kPing, "--check: print one JSON object",
     [](CommandLine& line, const std::string&) { line.ping.json = true; }},
    {0, "connect-timeout", "SECONDS", kPing, "for finding a HOST; --check: for each answer (10)",
     [](CommandLine& line, const std::string& v) {
       line.settings.connection.connect_timeout = seconds_value("--connect-timeout", v, 0.001);
     }},
});

constexpr unsigned bit(PingWork work) { return 1U << static_cast<unsigned>(work); }
constexpr unsigned kPinging = bit(PingWork::kPing), kServing = bit(PingWork::kServe),
                   kFlooding = bit(PingWork::kFlood), kChecking = bit(PingWork::kCheck);

// The options that are not for every kind of work.
struct Narrow {
  std::string_view option;
  unsigned works;
};
constexpr auto kNarrow = std::to_array<Narrow>({
    {"--count", kPinging},
    {"--interval", kPinging},
    {"--size", kPinging | kFlooding},
    {"--deadline", kPinging | kFlooding},
    {"--threads", kServing | kFlooding},
    {"--burst", kFlooding},
    {"--window", kFlooding},
    {"--port", kServing},
    {"--name", kServing},
    {"--busy-poll", kPinging | kServing | kFlooding},
    {"--quiet", kPinging | kServing | kFlooding},
    {"--json", kChecking},
    {"--connect-timeout", kPinging | kFlooding | kChecking},
});

void require_fit(const std::string& option, PingWork work) {
  const auto found = std::ranges::find(kNarrow, option, &Narrow::option);
  if (found == kNarrow.end() || (found->works & bit(work)) != 0) return;
  std::vector<std::string_view> names;
  if ((found->works & kPinging) != 0) names.emplace_back("pinging one HOST");
  if ((found->works & kServing) != 0) names.emplace_back("--serve");
  if ((found->works & kFlooding) != 0) names.emplace_back("--flood");
  if ((found->works & kChecking) != 0) names.emplace_back("--check");
  reject(fmt::format("{} is for {}", option, fmt::join(names, " and ")));
}

}  // namespace

std::span<const Option> ping_options() { return kOptions; }

void require_sense(const PingSettings& settings) {
  const PingWork work = settings.work;
  if (work == PingWork::kServe && !settings.hosts.empty()) reject("--serve takes no HOST");
  if (work != PingWork::kFlood && settings.hosts.size() > 1) reject("one HOST at a time, but for --flood");
  const bool needs_host = work == PingWork::kPing || work == PingWork::kFlood;
  if (needs_host && settings.hosts.empty()) reject("HOST is missing");
  for (const std::string& option : settings.given) require_fit(option, work);
}

}  // namespace rdpipe::tools
