// The header-only C++ API over the C ABI, over TCP.
#include <algorithm>
#include <array>
#include <future>
#include <rdpipe/rdpipe.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "catch.h"
#include "ground/error.h"
#include "rdpipe/duplex_stream.h"

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

static_assert(std::is_nothrow_copy_constructible_v<rdp::Error>);

TEST_CASE("C++: a text with a zero byte is refused, not cut") {
  const std::string cut("0\0none", 6);
  CHECK_THROWS_AS(rdp::Listener(cut, kKey, tcp()), rdp::Error);
  CHECK_THROWS_AS(rdp::Listener("0", kKey + cut, tcp()), rdp::Error);
  CHECK_THROWS_AS(rdp::Options().set("device", cut), rdp::Error);
  try {
    static_cast<void>(rdp::connect("127.0.0.1", cut, kKey));
    FAIL("connected");
  } catch (const rdp::Error& error) {
    CHECK(error.code() == std::errc::invalid_argument);
  }
}

TEST_CASE("C++: what has ended a stream at its peer may not be tried again") {
  using namespace rdpipe;
  const auto [status, expected] = GENERATE(table<Status, int>({{Status::kTimeout, EIO},
                                                               {Status::kUsage, EIO},
                                                               {Status::kDamaged, EBADMSG},
                                                               {Status::kMemory, ENOMEM}}));
  rdp::Listener listener("0", kKey, tcp());
  auto dialled = std::async(std::launch::async, [port = std::to_string(listener.port())] {
    DuplexOptions options;
    options.connection.fabric = FabricUse::kTcp;
    return DuplexStream::connect("127.0.0.1", port, kKey, options, Deadline::in(kPatience));
  });
  rdp::Stream stream = listener.accept(kPatience);
  dialled.get()->dismiss(Error(status, "test", "it gives up"));
  std::array<std::byte, 100> into;
  for (int i = 0; i < 2; ++i) {
    try {
      static_cast<void>(stream.read(into, kPatience));
      FAIL("read what was never written");
    } catch (const rdp::Error& error) {
      CHECK(error.code() == std::error_code(expected, std::generic_category()));
    }
  }
}
