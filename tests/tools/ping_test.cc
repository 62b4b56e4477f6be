#include <array>
#include <string>
#include <vector>

#include <rdpipe/error.h>

#include "catch.h"
#include "flood_peer.h"
#include "ping_message.h"
#include "ping_settings.h"
#include "round_trips.h"
#include "settings.h"

using namespace rdpipe;
using namespace rdpipe::tools;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using TimePoint = std::chrono::steady_clock::time_point;

namespace {

PingSettings parse(std::vector<std::string> words) {
  words.insert(words.begin(), "rdping");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  return parse_command_line(Tool::kPing, static_cast<int>(words.size()), arguments.data()).ping;
}

}  // namespace

TEST_CASE("a request becomes its answer, and an answer is never answered") {
  std::array<std::byte, 64> message{};
  write_request(message, {.session = 7, .peer = 3, .sequence = 1ULL << 40});
  CHECK_FALSE(read_answer(message));
  REQUIRE(make_answer(message));
  const auto answer = read_answer(message);
  REQUIRE(answer);
  CHECK(answer->session == 7);
  CHECK(answer->peer == 3);
  CHECK(answer->sequence == 1ULL << 40);
  CHECK_FALSE(make_answer(message));
  CHECK_FALSE(make_answer(std::span(message).first(kPingHeader - 1)));
  message[0] ^= std::byte{1};
  CHECK_FALSE(read_answer(message));
}

TEST_CASE("round trips: quantiles to within one percent, ends exactly") {
  RoundTrips times;
  for (std::int64_t i = 1; i <= 1000; ++i) times.add(nanoseconds(i * 1013));
  CHECK(times.count() == 1000);
  CHECK(times.least() == nanoseconds(1013));
  CHECK(times.greatest() == nanoseconds(1013000));
  for (const double share : {0.01, 0.25, 0.5, 0.9, 0.99}) {
    const double exact = share * 1000 * 1013;
    CHECK(static_cast<double>(times.quantile(share).count()) == Approx(exact).epsilon(0.01));
  }
  CHECK(times.quantile(1) == times.greatest());
}

TEST_CASE("round trips: one is all there is, from a nanosecond to centuries") {
  for (const std::int64_t ns : {std::int64_t{0}, std::int64_t{1}, std::int64_t{127}, std::int64_t{128},
                                std::int64_t{999999999}, std::int64_t{9223372036854775807}}) {
    RoundTrips times;
    times.add(nanoseconds(ns));
    CHECK(times.quantile(0.5) == nanoseconds(ns));
  }
}

TEST_CASE("flood: a window, and every message answered, lost or open") {
  const TimePoint start{};
  FloodPeer peer(8);
  CHECK(peer.room(start) == 8);
  peer.note_sent(8, start);
  CHECK(peer.room(start) == 0);
  CHECK(peer.note_answer(0, start));
  CHECK(peer.room(start) == 1);
  CHECK(peer.note_answer(3, start));  // 1 and 2 were overtaken
  CHECK(peer.room(start) == 4);
  CHECK(peer.note_answer(2, start));  // late, and yet answered
  CHECK_FALSE(peer.note_answer(2, start));
  CHECK_FALSE(peer.note_answer(8, start));
  CHECK(peer.room(start) == 4);
  CHECK(peer.sent() == 8);
  CHECK(peer.answered() == 3);
  CHECK(peer.lost() == 5);
  CHECK(peer.twice() == 1);
}

TEST_CASE(
    "flood: an answer that comes when nobody remembers its message is lost, and not one that came twice") {
  const TimePoint start{};
  FloodPeer peer(8);
  for (int i = 0; i < 17; ++i) peer.note_sent(8, start);
  CHECK_FALSE(peer.note_answer(0, start));
  CHECK(peer.note_answer(8, start));
  CHECK(peer.answered() == 1);
  CHECK(peer.lost() == 17 * 8 - 1);
  CHECK(peer.twice() == 0);
}

TEST_CASE("flood: silence ends what is under way") {
  const TimePoint start{};
  FloodPeer peer(4);
  peer.note_sent(4, start);
  CHECK(peer.room(start + milliseconds(199)) == 0);
  CHECK(peer.room(start + milliseconds(201)) == 4);
  peer.note_sent(4, start + milliseconds(201));
  CHECK(peer.room(start + milliseconds(300)) == 0);
  CHECK(peer.note_answer(1, start + milliseconds(300)));  // late
  CHECK(peer.room(start + milliseconds(300)) == 0);
  CHECK(peer.note_answer(7, start + milliseconds(300)));
  CHECK(peer.all_answered());
}

TEST_CASE("rdping's command line") {
  const PingSettings one = parse({"-c", "3", "-i0.5", "db1:99/2", "--size=1000"});
  CHECK(one.work == PingWork::kPing);
  CHECK(one.count == 3);
  CHECK(one.interval == milliseconds(500));
  CHECK(one.size == 1000);
  CHECK(one.hosts == std::vector<std::string>{"db1:99/2"});
  const PingSettings many = parse({"--flood", "a", "b", "-t", "4", "-w", "2"});
  CHECK(many.work == PingWork::kFlood);
  CHECK(many.threads == 4);
  CHECK(many.hosts.size() == 2);
  CHECK(parse({"--serve", "-p", "0"}).port == "0");
  for (const auto& words : std::vector<std::vector<std::string>>{{},
                                                                 {"a", "b"},
                                                                 {"--serve", "a"},
                                                                 {"-t", "2", "a"},
                                                                 {"-s", "23", "a"},
                                                                 {"-c", "0", "a"},
                                                                 {"-i", "", "a"},
                                                                 {"--flood"},
                                                                 {"--flood", "-b", "65", "a"},
                                                                 {"--check", "--serve"},
                                                                 {"--check", "a", "b"},
                                                                 {"--no-such"}}) {
    CHECK_THROWS_AS(parse(words), Error);
  }
}

TEST_CASE("rdping's command line: no limit is something else than the usual one") {
  CHECK_FALSE(parse({"--flood", "a"}).deadline);
  CHECK(parse({"--flood", "-w", "0", "a"}).deadline == nanoseconds(0));
}

TEST_CASE("rdping's command line: an option that would do nothing is refused") {
  struct Row {
    std::vector<std::string> words;
    std::string why;
  };
  for (const Row& row :
       std::vector<Row>{{{"-p", "7000", "a"}, "--port is for --serve"},
                        {{"--name=b", "a"}, "--name is for --serve"},
                        {{"--json", "a"}, "--json is for --check"},
                        {{"-b", "4", "a"}, "--burst is for --flood"},
                        {{"--window", "4", "a"}, "--window is for --flood"},
                        {{"a", "-t", "1"}, "--threads is for --serve and --flood"},
                        {{"--flood", "-c", "9", "a"}, "--count is for pinging one HOST"},
                        {{"--flood", "-i0", "a"}, "--interval is for pinging one HOST"},
                        {{"--serve", "-s", "64"}, "--size is for pinging one HOST and --flood"},
                        {{"--serve", "-w", "0"}, "--deadline is for"},
                        {{"--serve", "--connect-timeout", "1"}, "--connect-timeout is for"},
                        {{"--check", "-p", "12345", "a"}, "--port is for --serve"},
                        {{"--check", "-q"}, "--quiet is for"},
                        {{"--check", "--busy-poll", "9"}, "--busy-poll is for"}}) {
    INFO(row.why);
    CHECK_THROWS_WITH(parse(row.words), Catch::Matchers::StartsWith(row.why));
  }
  CHECK(parse({"--serve", "-q", "-t", "2", "--name", "a"}).quiet);
  CHECK(!parse({"a"}).busy_poll);
  CHECK(parse({"--busy-poll", "0", "a"}).busy_poll == std::chrono::nanoseconds(0));
  CHECK(parse({"--busy-poll=20", "a"}).busy_poll == std::chrono::microseconds(20));
  CHECK(!parse({"--busy-poll=20", "--busy-poll=auto", "a"}).busy_poll);
  CHECK_THROWS_WITH(parse({"--busy-poll=automatic", "a"}), Catch::Matchers::Contains("auto or a number"));
  CHECK(parse({"--flood", "-s", "99", "-b", "9", "--connect-timeout", "1", "a"}).size == 99);
  CHECK(parse({"--check", "--json", "--connect-timeout", "1", "-4", "-d", "rxe0", "a"}).json);
}
