#include "datagram/names.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"
#include "datagram/huge_memory.h"
#include "ground/error.h"

using namespace rdpipe;

namespace {

struct Written {
  const char *text, *host, *port, *name;
};

}  // namespace

TEST_CASE("names of endpoints as users write them") {
  for (const Written& one : std::vector<Written>{{"db1", "db1", "7471", ""},
                                                 {"db1:99", "db1", "99", ""},
                                                 {"db1/3", "db1", "7471", "3"},
                                                 {"db1:rdping/a:b/c", "db1", "rdping", "a:b/c"},
                                                 {"fd77::1", "fd77::1", "7471", ""},
                                                 {"fd77::1/x", "fd77::1", "7471", "x"},
                                                 {"[fd77::1]", "fd77::1", "7471", ""},
                                                 {"[fe80::1%eth0]:99/x", "fe80::1%eth0", "99", "x"}}) {
    INFO(one.text);
    const EndpointName name = parse_endpoint_name(one.text);
    CHECK(name.peer.host == one.host);
    CHECK(name.peer.port == one.port);
    CHECK(name.name == one.name);
  }
  for (const std::string text :
       {"", ":99", "/x", "[fd77::1", "[fd77::1]99", "db1:", "db1:/x", "fd77::1]:99", "a[b", "[a]:b:c"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_endpoint_name(text), Error);
  }
  CHECK_NOTHROW(parse_endpoint_name("db1/" + std::string(kLongestName, 'x')));
  CHECK_THROWS_AS(parse_endpoint_name("db1/" + std::string(kLongestName + 1, 'x')), Error);
  CHECK(text_of(parse_endpoint_name("[fd77::1]:99/x")) == "[fd77::1]:99/x");
}

TEST_CASE("a question comes back as it was said, also with the zeros that rdma_cm adds") {
  for (const std::string name : {"", "0", "worker"}) {
    auto bytes = encode_question(name);
    CHECK(decode_question(bytes) == name);
    bytes.resize(180);
    CHECK(decode_question(bytes) == name);
  }
}

TEST_CASE("what is no question is none") {
  CHECK_FALSE(decode_question({}));
  auto bytes = encode_question("worker");
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(decode_question(std::span(bytes).first(size)));
  for (const std::size_t at : {0U, 3U, 5U}) {  // magic and version
    auto other = bytes;
    other[at] ^= std::byte{1};
    CHECK_FALSE(decode_question(other));
  }
  bytes[6] = std::byte{255};
  bytes.resize(300);
  CHECK_FALSE(decode_question(bytes));
}

TEST_CASE("an answer and a registry's entry come back as they were said") {
  const auto answer = decode_answer(encode_answer({.key = 0x12345678, .max_payload = 4096, .endpoints = 8}));
  REQUIRE(answer);
  CHECK(answer->key == 0x12345678);
  CHECK(answer->max_payload == 4096);
  CHECK(answer->endpoints == 8);
  const RegistryEntry entry{.where = "[fd77::1]:7471/3", .expiry = 1795763053, .queue_pair = 17, .key = 99};
  const auto bytes = encode_registered(entry);
  CHECK(decode_registered(bytes) == entry);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK_FALSE(decode_registered(std::span(bytes).first(size)));
}

TEST_CASE("the header in front of a datagram is IPv6's, or IPv4's behind twenty bytes") {
  std::array<std::byte, kGlobalHeader> bytes{};
  CHECK_FALSE(read_global_header(bytes));
  bytes[20] = std::byte{0x45};
  for (std::size_t i = 0; i < 8; ++i) bytes[32 + i] = static_cast<std::byte>(i + 1);
  auto header = read_global_header(bytes);
  REQUIRE(header);
  CHECK(header->source[11] == std::byte{0xFF});
  CHECK(header->source[12] == std::byte{1});
  CHECK(header->destination[15] == std::byte{8});
  bytes[0] = std::byte{0x60};
  bytes[8] = std::byte{0xFE};
  bytes[9] = std::byte{0x80};
  bytes[24] = std::byte{0xFD};
  header = read_global_header(bytes);
  REQUIRE(header);
  CHECK(header->source[0] == std::byte{0xFE});
  CHECK(header->destination[0] == std::byte{0xFD});
}

TEST_CASE("an IPv4 header is read where an IPv6 one was before, whatever the device leaves in front of it") {
  std::array<std::byte, kGlobalHeader> bytes{};
  bytes[0] = std::byte{0x60};
  bytes[8] = std::byte{0xFE};
  clear_global_header(bytes);
  bytes[20] = std::byte{0x45};
  bytes[32] = std::byte{10};
  const auto header = read_global_header(bytes);
  REQUIRE(header);
  CHECK(header->source[11] == std::byte{0xFF});
  CHECK(header->source[12] == std::byte{10});
}

TEST_CASE("memory is there with huge pages and without") {
  HugeMemory memory(5'000'000);
  REQUIRE(memory.bytes().size() == 5'000'000);
  memory.bytes().back() = std::byte{1};
  HugeMemory moved(std::move(memory));
  CHECK(moved.bytes().back() == std::byte{1});
}
