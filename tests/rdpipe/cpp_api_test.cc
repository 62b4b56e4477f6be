// The header-only C++ API over the C ABI, over TCP.
#include <algorithm>
#include <array>
#include <future>
#include <rdpipe/rdpipe.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "catch.h"

namespace {

const std::string kKey(64, 'a');
constexpr auto kBrief = std::chrono::milliseconds(30);
constexpr auto kPatience = std::chrono::seconds(60);

rdp::Options tcp() { return std::move(rdp::Options().set("fabric", "tcp")); }

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Joined {
  rdp::Listener listener{"0", kKey, tcp()};
  std::future<rdp::Stream> dialled = std::async(std::launch::async, [port = std::to_string(listener.port())] {
    return rdp::connect("127.0.0.1", port, kKey, tcp(), kPatience);
  });
  rdp::Stream a = listener.accept(kPatience);
  rdp::Stream b = dialled.get();
};

}  // namespace

TEST_CASE("C++: streams move both ways, and end") {
  Joined ends;
  std::array<std::byte, 100> into;
  CHECK(ends.a.write(bytes("there"), kPatience) == 5);
  CHECK(ends.b.write(bytes("back"), kPatience) == 4);
  CHECK(text(std::span(into).first(ends.b.read(into, kPatience))) == "there");
  CHECK(text(std::span(into).first(ends.a.read(into, kPatience))) == "back");
  CHECK(ends.a.fabric() == "TCP");
  auto closed = std::async(std::launch::async, [&] { ends.a.close(kPatience); });
  CHECK(ends.b.read(into, kPatience) == 0);
  ends.b.close(kPatience);
  closed.get();
}

TEST_CASE("C++: slots") {
  Joined ends;
  const auto slot = ends.a.write_slot(kPatience);
  REQUIRE(slot.size() >= 5);
  std::ranges::copy(bytes("slots"), slot.begin());
  ends.a.commit(5);
  CHECK(text(ends.b.read_slot(kPatience)) == "slots");
  ends.b.release();
  CHECK((ends.b.wait(RDPIPE_WRITABLE, kPatience) & RDPIPE_WRITABLE) != 0);
}

TEST_CASE("C++: failures are thrown, and what was late is told from them") {
  Joined ends;
  std::array<std::byte, 100> into;
  CHECK_THROWS_AS(ends.a.read(into, kBrief), rdp::Timeout);
  CHECK_THROWS_AS(ends.a.read(into, rdp::kAtOnce), rdp::Timeout);
  ends.a.write(bytes("unread"));
  CHECK_THROWS_AS(ends.a.sync(kBrief), rdp::Timeout);
  CHECK_THROWS_AS(ends.listener.accept(kBrief), rdp::Timeout);
  try {
    ends.a.release();
    FAIL("released nothing");
  } catch (const rdp::Error& error) {
    CHECK(error.code() == std::errc::invalid_argument);
    CHECK_THAT(error.what(), Catch::Contains("none was handed out"));
  }
  { const rdp::Stream gone = std::move(ends.b); }
  try {
    ends.a.sync();
    FAIL("nobody is there");
  } catch (const rdp::Error& error) {
    CHECK(error.code() == std::errc::connection_reset);
  }
}
