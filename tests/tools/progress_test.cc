// What is shown of a transfer: which parts fit into how many columns, and what is not said where it is not
// known.
#include <pty.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "catch.h"
#include "open_descriptor.h"
#include "progress_json.h"
#include "progress_line.h"
#include "progress_text.h"
#include "reading.h"

using namespace rdpipe;
using namespace rdpipe::tools;

namespace {

Reading half_way() {
  Reading reading;
  reading.bytes = 12'300'000'000;
  reading.total = 24'600'000'000;
  reading.seconds = 10;
  reading.rate = 1.2e9;
  reading.mean = 1.23e9;
  reading.buffer = {3 << 20, 4 << 20};
  reading.fabric = "RDMA";
  reading.device = "mlx5_0";
  return reading;
}

Reading copying() {
  Reading reading = half_way();
  reading.entries = Entries{12, 345, false};
  reading.total.reset();
  reading.file = "a/long/way/down/to/the/file";
  reading.file_bytes = 1;
  reading.file_size = 4;
  return reading;
}

}  // namespace

TEST_CASE("progress: the parts that matter more stay where there is less room") {
  const Reading reading = half_way();
  CHECK(progress_text(reading, 200) ==
        "12.30 GB  50%  1.20 GB/s  0:00:11 left  mean 1.23 GB/s  buffer 75%  RDMA (mlx5_0)");
  CHECK(progress_text(reading, 80) == "12.30 GB  50%  1.20 GB/s  0:00:11 left  mean 1.23 GB/s  buffer 75%");
  CHECK(progress_text(reading, 40) == "12.30 GB  50%  1.20 GB/s  0:00:11 left");
  CHECK(progress_text(reading, 20) == "12.30 GB  50%");
  CHECK(progress_text(reading, 1).empty());
}

TEST_CASE("progress: never as wide as the terminal, whatever its width and whatever there is to say") {
  Reading most = copying();
  most.bytes = most.file_bytes = ~std::uint64_t{0};
  most.file_size = most.file_bytes;
  most.rate = most.mean = 999.94e15;
  most.file = std::string(300, 'x');
  most.device = std::string(64, 'd');
  for (std::size_t width = 0; width <= 600; ++width) {
    const std::size_t size = progress_text(most, width).size(), last = final_text(most, width).size();
    REQUIRE((width == 0 ? size == 0 : size < width));
    REQUIRE((width == 0 ? last == 0 : last < width));
  }
}

TEST_CASE(
    "progress: a file's name is cut in front, between characters, and counts twice where it is not ASCII") {
  Reading reading = copying();
  reading.file = "directory/\xC3\xA4\xC3\xB6\xC3\xBC";
  const std::string whole = progress_text(reading, 200);
  CHECK(whole.ends_with("RDMA (mlx5_0)  directory/\xC3\xA4\xC3\xB6\xC3\xBC 25%"));
  const std::size_t columns = whole.size();  // two bytes, two columns
  const std::string cut = progress_text(reading, columns);
  CHECK(cut.ends_with("...ctory/\xC3\xA4\xC3\xB6\xC3\xBC 25%"));
  CHECK(cut.size() < columns);
}

TEST_CASE("progress: no per cent and no time left where the size is unknown, nothing, or was wrong") {
  Reading reading = half_way();
  reading.total.reset();
  CHECK(progress_text(reading, 40) == "12.30 GB  1.20 GB/s  mean 1.23 GB/s");
  reading.total = 0;
  CHECK_FALSE(reading.percent());
  reading.total = reading.bytes - 1;
  CHECK_FALSE(reading.percent());
  CHECK_FALSE(reading.seconds_left());
  reading.total = reading.bytes;
  CHECK(reading.percent() == 100U);
  reading.total = ~std::uint64_t{0};
  CHECK(reading.percent() == 0U);
}

TEST_CASE("progress: what stands still has no time left") {
  Reading reading = half_way();
  reading.rate = 0;
  CHECK(progress_text(reading, 40) == "12.30 GB  50%  0 B/s  mean 1.23 GB/s");
}

TEST_CASE("progress: of no time at all there is no mean") {
  Reading reading = half_way();
  reading.seconds = 0.00004;
  CHECK(progress_text(reading, 200) == "12.30 GB  50%  1.20 GB/s  buffer 75%  RDMA (mlx5_0)");
  reading.seconds = 0.5;
  CHECK(reading.has_mean());
}

TEST_CASE("progress: there is nothing to tell before something has moved, or was found") {
  CHECK_FALSE(Reading{}.tells());
  CHECK(half_way().tells());
  Reading reading;
  reading.entries = Entries{};
  CHECK_FALSE(reading.tells());
  reading.entries->total = 1;
  CHECK(reading.tells());
}

TEST_CASE("progress: what is through and not yet confirmed says so, and the end how long it took") {
  Reading reading = half_way();
  reading.bytes = *reading.total;
  reading.ended = true;
  CHECK(progress_text(reading, 45) == "24.60 GB  100%  1.20 GB/s  confirming");
  CHECK(final_text(reading, 60) == "24.60 GB  100%  1.23 GB/s  in 0:00:10  RDMA (mlx5_0)");
}

TEST_CASE("progress: the rate is that of the last two seconds") {
  RateMeter meter;
  std::chrono::steady_clock::time_point now{};
  CHECK(meter.rate(0, now) == 0);
  for (int i = 1; i <= 50; ++i) {
    now += std::chrono::milliseconds(200);
    static_cast<void>(meter.rate(static_cast<std::uint64_t>(i) * 200, now));
  }
  now += std::chrono::milliseconds(200);
  CHECK(meter.rate(51 * 200, now) == Approx(1000));
  now += std::chrono::seconds(4);
  CHECK(meter.rate(51 * 200, now) < 50);
  CHECK(meter.rate(0, now) == 0);  // a new transfer
}

TEST_CASE("progress: found bytes are no rate") {
  RateMeter meter;
  CopyProgress progress;
  progress.bytes = 1000;
  progress.found_bytes = 900;
  progress.elapsed = std::chrono::seconds(1);
  CHECK(reading_of(progress, meter).mean == Approx(100));
}

// Where there is room for a byte and not for the line, it is not waited for.
TEST_CASE("progress: a terminal that nobody reads is not waited for") {
  int master = -1, slave = -1;
  REQUIRE(::openpty(&master, &slave, nullptr, nullptr, nullptr) == 0);
  ::setenv("TERM", "xterm", 1);
  const OpenDescriptor screen(master), terminal(slave), before(::dup(STDERR_FILENO));
  REQUIRE(::dup2(slave, STDERR_FILENO) == STDERR_FILENO);
  {
    SharedOutput output(STDERR_FILENO);
    ProgressLine line(output, false);
    CHECK(line.draws());
    for (int i = 0; i < 5000; ++i) line.show(half_way());
    line.finish(half_way());
  }
  REQUIRE(::dup2(before.get(), STDERR_FILENO) == STDERR_FILENO);
}

TEST_CASE("progress: a tick of a stream has the same members whatever is known") {
  const auto names = [](const Json& json) {
    std::vector<std::string> all;
    for (const auto& [name, value] : json.items()) all.push_back(name);
    return all;
  };
  CHECK(names(tick_members(half_way())) == names(tick_members(Reading{})));
  CHECK(tick_members(Reading{})["total"].is_null());
  CHECK(tick_members(half_way())["fabric"] == "rdma");
  const Error error(Status::kNetwork, "send", "gone");
  const Tool tool = GENERATE(Tool::kSend, Tool::kReceive);
  CHECK(names(end_members(tool, Result{}, "sha256")) == names(end_members(tool, error, {})));
  CHECK(names(end_members(CopyReport{})) == names(end_members(Tool::kCopy, error, half_way())));
}
