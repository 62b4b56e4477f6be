#include "session/handshake.h"

#include <malloc.h>

#include <algorithm>
#include <cstdio>

#include "catch.h"
#include "ground/error.h"
#include "sanitized.h"
#include "session/conversation.h"
#include "session/tls.h"
#include "vectors/vectors.h"

using namespace rdpipe;

namespace {

Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Bytes bytes_of(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

Bytes copy(std::span<const std::byte> bytes) { return {bytes.begin(), bytes.end()}; }

Bytes noise(std::size_t size, std::uint32_t seed) {
  Bytes bytes(size);
  for (auto& byte : bytes) byte = static_cast<std::byte>((seed = seed * 1664525 + 1013904223) >> 24);
  return bytes;
}

// What a connector says in a good conversation, up to being authenticated.
Bytes recorded_connector() {
  Conversation conversation;
  conversation.run();
  REQUIRE(conversation.done());
  return conversation.heard_by_listener;
}

}  // namespace

TEST_CASE("pre-shared keys are what the vectors say") {
  for (const auto& vector : vectors::load("keys.txt")) {
    INFO(vector.text("vector"));
    std::array<std::byte, kSaltSize> salt;
    std::ranges::copy(vector.bytes("salt"), salt.begin());
    const Secret psk = Key(Secret(vector.text("key"))).psk(salt);
    CHECK(copy(psk.bytes()) == vector.bytes("psk"));
    CHECK(copy(key_id(psk, salt)) == vector.bytes("id"));
  }
}

TEST_CASE("keys know whether they are random, short or none") {
  CHECK(Key(Secret(Key::generate())).is_random());
  CHECK(Key::generate() != Key::generate());
  CHECK(Key(Secret(std::string_view("eleven char"))).is_short());
  CHECK_FALSE(Key(Secret(std::string_view("twelve chars"))).is_short());
  CHECK_FALSE(Key(Secret(std::string(63, 'a') + "g")).is_random());
  CHECK_THROWS_AS(Key(Secret(std::string_view(""))), Error);
  CHECK_THROWS_AS(Key(Secret(std::string(1025, 'x'))), Error);
}

TEST_CASE("two ends with one key authenticate and then talk") {
  Conversation talk;
  talk.run();
  REQUIRE(talk.done());
  CHECK(talk.connector.transcript() == talk.listener.transcript());
  talk.connector.write(bytes_of("ping"));
  talk.listener.write(bytes_of("pong"));
  talk.run();
  CHECK(talk.listener.read() == bytes_of("ping"));
  CHECK(talk.connector.read() == bytes_of("pong"));
  CHECK_FALSE(talk.connector.broken());
  CHECK_FALSE(talk.listener.broken());
}

TEST_CASE("plain bytes that come with the handshake's last are not lost") {
  Conversation talk;
  talk.run([&](bool from_connector, Bytes& bytes) {
    if (!from_connector || talk.connector.verdict() != Verdict::kDone) return;
    talk.connector.write(bytes_of("early bird"));
    const auto more = talk.connector.take_output();
    bytes.insert(bytes.end(), more.begin(), more.end());
    if (talk.listener.verdict() == Verdict::kDone) bytes.clear();
  });
  CHECK(talk.listener.read() == bytes_of("early bird"));
}

TEST_CASE("exported keys are the same at both ends, and differ by label and by session") {
  Conversation one, two;
  one.run();
  two.run();
  const auto key = copy(one.connector.export_key("EXPORTER-a", 44).bytes());
  CHECK(key == copy(one.listener.export_key("EXPORTER-a", 44).bytes()));
  CHECK(key != copy(one.connector.export_key("EXPORTER-b", 44).bytes()));
  CHECK(key != copy(two.connector.export_key("EXPORTER-a", 44).bytes()));
}

TEST_CASE("the pre-shared key is let go of when the handshake is done, and the channel goes on") {
  const auto keys = [] {
    std::vector<TlsKey> one(1);
    one.front().psk = Key(Secret(kOneKey)).psk(std::array<std::byte, kSaltSize>{});
    return one;
  };
  auto ours = std::make_shared<const TlsContext>(TlsSide::kClient, keys());
  const std::weak_ptr<const TlsContext> kept = ours;
  TlsChannel client(std::move(ours));
  TlsChannel server(std::make_shared<const TlsContext>(TlsSide::kServer, keys()));
  TlsProgress progress = TlsProgress::kInProgress;
  for (int i = 0; i < 3; ++i) {
    progress = client.advance();
    server.feed(client.take_output());
    CHECK(kept.expired() == (progress == TlsProgress::kDone));
    (void)server.advance();
    client.feed(server.take_output());
  }
  REQUIRE(progress == TlsProgress::kDone);
  client.write(bytes_of("ping"));
  server.feed(client.take_output());
  CHECK(server.read() == bytes_of("ping"));
}

TEST_CASE("a wrong key is recognised at both ends") {
  Conversation talk(kOneKey, {kOtherKey});
  talk.run();
  CHECK(talk.connector.verdict() == Verdict::kWrongKey);
  CHECK(talk.listener.verdict() == Verdict::kWrongKey);
}

TEST_CASE("a listener with several keys knows which one was shown") {
  const std::string third(64, '3');
  for (const auto& shown : {kOtherKey, kOneKey, third}) {
    Conversation talk(shown, {kOneKey, kOtherKey, third});
    talk.run();
    REQUIRE(talk.done());
    CHECK(talk.listener.key_name() == shown);
  }
  Conversation stranger(std::string(64, '4'), {kOneKey, kOtherKey, third});
  stranger.run();
  CHECK(stranger.connector.verdict() == Verdict::kWrongKey);
  CHECK(stranger.listener.verdict() == Verdict::kWrongKey);
  CHECK(stranger.listener.key_name().empty());
}

TEST_CASE("another major version is recognised at both ends") {
  Conversation talk;
  talk.listener.receive(bytes_of({'R', 'D', 'P', '1', 0, 9, 0, 3}));
  CHECK(talk.listener.verdict() == Verdict::kOtherVersion);
  CHECK(talk.listener.peer_version() == 9);
  auto answer = talk.listener.take_output();
  CHECK(answer.at(8) == std::byte{1});
  answer.at(5) = std::byte{9};  // as that other version would say it
  talk.connector.receive(answer);
  CHECK(talk.connector.verdict() == Verdict::kOtherVersion);
  CHECK(talk.connector.peer_version() == 9);
}

TEST_CASE("garbage at any step is no rdpipe") {
  const Bytes said = recorded_connector();
  const auto offset = GENERATE(0UL, 1UL, 8UL, 9UL, 60UL);
  Conversation talk;
  talk.listener.receive(std::span(said).first(offset));
  for (std::uint32_t i = 0; i < 20 && talk.listener.verdict() == Verdict::kInProgress; ++i) {
    talk.listener.receive(noise(1000, i));
  }
  CHECK(talk.listener.verdict() == Verdict::kNotRdpipe);
}

TEST_CASE("a connector knows garbage too") {
  const std::string web = "HTTP/1.1 400 Bad Request\r\n\r\n";
  Conversation talk;
  talk.connector.receive(bytes_of(web));
  CHECK(talk.connector.verdict() == Verdict::kNotRdpipe);

  Conversation later;
  later.listener.receive(later.connector.take_output());
  later.connector.receive(later.listener.take_output());
  later.connector.set_psk(later.key.psk(later.connector.salt()));
  later.connector.receive(bytes_of(web));
  CHECK(later.connector.verdict() == Verdict::kNotRdpipe);
}

TEST_CASE("no truncated conversation authenticates; one in single bytes does") {
  const Bytes said = recorded_connector();
  for (std::size_t size = 0; size < said.size(); ++size) {
    Conversation talk;
    talk.listener.receive(std::span(said).first(size));
    REQUIRE(talk.listener.verdict() == Verdict::kInProgress);
  }
  Conversation talk;
  for (int i = 0; i < 3; ++i) {
    if (talk.connector.verdict() == Verdict::kNeedsPsk)
      talk.connector.set_psk(talk.key.psk(talk.connector.salt()));
    for (const std::byte byte : talk.connector.take_output()) talk.listener.receive(std::span(&byte, 1));
    for (const std::byte byte : talk.listener.take_output()) talk.connector.receive(std::span(&byte, 1));
  }
  CHECK(talk.done());
}

TEST_CASE("a recorded conversation does not authenticate again") {
  const Bytes said = recorded_connector();
  Conversation again;
  again.listener.receive(said);
  CHECK(again.listener.verdict() == Verdict::kNotRdpipe);
}

TEST_CASE("a handshake altered in any byte fails, or both ends can tell") {
  Conversation model;
  model.run();
  const bool from_connector = GENERATE(true, false);
  const auto size = (from_connector ? model.heard_by_listener : model.heard_by_connector).size();
  for (std::size_t target = 0; target < size; ++target) {
    Conversation talk;
    std::size_t position = 0;
    talk.run([&](bool direction, Bytes& bytes) {
      if (direction != from_connector) return;
      if (target >= position && target < position + bytes.size()) bytes[target - position] ^= std::byte{0x40};
      position += bytes.size();
    });
    INFO("byte " << target << (from_connector ? " of the connector" : " of the listener"));
    REQUIRE((!talk.done() || talk.connector.transcript() != talk.listener.transcript()));
  }
}

TEST_CASE("an altered, repeated or missing record breaks the channel") {
  Conversation talk;
  talk.run();
  talk.connector.write(bytes_of("first"));
  const Bytes first = talk.connector.take_output();
  talk.connector.write(bytes_of("second"));
  const Bytes second = talk.connector.take_output();
  SECTION("altered") {
    const auto at = GENERATE(0UL, 5UL, 12UL, 26UL);
    Bytes altered = first;
    altered.at(at) ^= std::byte{1};
    talk.listener.receive(altered);
  }
  SECTION("repeated") {
    talk.listener.receive(first);
    CHECK(talk.listener.read() == bytes_of("first"));
    talk.listener.receive(first);
  }
  SECTION("missing") { talk.listener.receive(second); }
  CHECK(talk.listener.read().empty());
  CHECK(talk.listener.broken());
}

TEST_CASE("a claimed length makes nobody reserve memory") {
  const Bytes hello = bytes_of({'R', 'D', 'P', '1', 0, kProtocolMajor, 0, 0});
  const Bytes long_record = bytes_of({22, 3, 1, 0x40, 0, 1, 0, 0x3F, 0xFC});
  const Bytes long_message = bytes_of({22, 3, 1, 0, 5, 1, 1, 0xFF, 0xFF, 0});
  for (const auto& claim : {long_record, long_message}) {
    Conversation talk;
    talk.listener.receive(hello);
    talk.listener.receive(claim);
    CHECK(talk.listener.verdict() == Verdict::kNotRdpipe);
  }
}

// A sanitizer's allocator mallinfo2() does not see.
#if !RDPIPE_SANITIZED
TEST_CASE("a stranger costs little memory") {
  const Bytes said = recorded_connector();
  const auto key = Conversation::make_listener_keys({kOneKey});
  const auto cost = [&](std::size_t bytes) {
    std::vector<Handshake> strangers;
    strangers.reserve(100);
    const auto before = ::mallinfo2();
    for (int i = 0; i < 100; ++i) {
      strangers.push_back(Handshake::listener(key));
      strangers.back().receive(std::span(said).first(bytes));
      (void)strangers.back().take_output();
    }
    const auto after = ::mallinfo2();
    return (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / 100;
  };
  (void)cost(said.size() - 1);  // OpenSSL's own, once
  CHECK(cost(0) < 1024);
  CHECK(cost(8) < 1024);
  const auto in_tls = cost(said.size() - 1);
  INFO("bytes in TLS: " << in_tls);
  CHECK(in_tls < 65536);
  std::printf("bytes a stranger: silent %zu, greeted %zu, in TLS %zu\n", cost(0), cost(8), in_tls);
}
#endif
