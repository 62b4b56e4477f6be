#include "wire/message.h"

#include <algorithm>

#include "catch.h"
#include "vectors/vectors.h"

using namespace rdpipe;

namespace {

template <std::size_t N>
std::array<std::byte, N> array_of(const vectors::Vector& vector, const std::string& name) {
  const auto bytes = vector.bytes(name);
  REQUIRE(bytes.size() == N);
  std::array<std::byte, N> array{};
  std::copy(bytes.begin(), bytes.end(), array.begin());
  return array;
}

Offer offer_of(const vectors::Vector& vector) {
  Offer offer{.transcript = array_of<32>(vector, "transcript"),
              .fabric = static_cast<std::uint8_t>(vector.number("fabric")),
              .minor = static_cast<std::uint16_t>(vector.number("minor")),
              .role = static_cast<Role>(vector.number("role")),
              .slot_size = static_cast<std::uint32_t>(vector.number("slot_size")),
              .digest = static_cast<Choice>(vector.number("digest")),
              .seal = static_cast<Choice>(vector.number("seal")),
              .same_host = vector.number("same_host") == 1,
              .size = {},
              .host = vector.text("host"),
              .software = vector.text("software")};
  if (vector.has("size")) offer.size = vector.number("size");
  if (vector.has("compressions")) {
    offer.compressions = static_cast<std::uint8_t>(vector.number("compressions"));
  }
  if (vector.has("content")) offer.content = static_cast<Content>(vector.number("content"));
  return offer;
}

Message message_of(const vectors::Vector& vector) {
  const std::string& type = vector.text("type");
  if (type == "offer") return offer_of(vector);
  if (type == "committed") return Committed{vector.number("length")};
  if (type == "bye") return Bye{};
  if (type == "working") return Working{};
  if (type == "admitted") return Admitted{};
  if (type == "sync") return Sync{vector.number("length")};
  if (type == "queued") return Queued{static_cast<std::uint32_t>(vector.number("ahead"))};
  if (type == "order") {
    return Order{vector.bytes("words"), vector.number("last") == 1, vector.number("waits") == 1};
  }
  if (type == "note") return Note{vector.bytes("bytes")};
  if (type == "failed") {
    return Failed{static_cast<int>(vector.number("status")), vector.text("attempt"), vector.text("cause"),
                  vector.text("host")};
  }
  REQUIRE(type == "end");
  End end{vector.number("length"), vector.number("frames"), {}};
  if (vector.has("root")) end.root = array_of<16>(vector, "root");
  return end;
}

std::vector<std::byte> encoded(const Message& message) {
  std::vector<std::byte> bytes;
  encode(message, bytes);
  return bytes;
}

}  // namespace

TEST_CASE("messages read and write as the vectors say") {
  for (const auto& vector : vectors::load("messages.txt")) {
    INFO(vector.text("vector"));
    MessageReader reader;
    reader.add(vector.bytes("hex"));
    const auto message = reader.next();
    const bool accept = vector.text("accept") == "yes";
    REQUIRE(message.has_value() == accept);
    REQUIRE(reader.malformed() == !accept);
    if (!accept) continue;
    CHECK(*message == message_of(vector));
    CHECK((encoded(*message) == vector.bytes("hex")) == !vector.has("canonical"));
  }
}

TEST_CASE("messages come whole out of a stream that arrives a byte at a time") {
  std::vector<std::byte> stream;
  encode(End{1, 2, {}}, stream);
  encode(Failed{3, "a", "b", "c"}, stream);
  encode(Bye{}, stream);
  MessageReader reader;
  std::vector<Message> messages;
  for (const std::byte byte : stream) {
    reader.add(std::span(&byte, 1));
    while (auto message = reader.next()) messages.push_back(*message);
  }
  CHECK(messages == std::vector<Message>{End{1, 2, {}}, Failed{3, "a", "b", "c"}, Bye{}});
}

TEST_CASE("no truncated message is taken for a whole one") {
  const auto whole = encoded(Failed{3, "attempt", "cause", "host"});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    MessageReader reader;
    reader.add(std::span(whole).first(size));
    REQUIRE_FALSE(reader.next());
    REQUIRE_FALSE(reader.malformed());
  }
}

TEST_CASE("after a malformed message nothing is believed any more") {
  MessageReader reader;
  reader.add(std::vector<std::byte>(5, std::byte{0xFF}));
  CHECK_FALSE(reader.next());
  CHECK(reader.malformed());
  reader.add(encoded(Bye{}));
  CHECK_FALSE(reader.next());
  CHECK(reader.malformed());
}

TEST_CASE("texts are cut so that a message stays within its bound") {
  const std::string endless(100'000, 'x');
  const auto bytes = encoded(Failed{11, endless, endless, endless});
  CHECK(bytes.size() <= kMaxMessage);
  MessageReader reader;
  reader.add(bytes);
  const auto failed = std::get<Failed>(reader.next().value());
  CHECK(failed.cause.size() == 2048);
  CHECK(failed.host.size() == 255);
}
