#include "ping_message.h"

#include <endian.h>

#include <cstring>

namespace rdpipe::tools {
namespace {

struct Header {
  std::uint32_t magic;
  std::uint8_t kind;
  std::uint8_t zeros[3];
  std::uint32_t session;
  std::uint32_t peer;
  std::uint64_t sequence;
};
static_assert(sizeof(Header) == kPingHeader);

constexpr std::uint32_t kMagic = 0x52445047;  // "RDPG"
constexpr std::uint8_t kRequest = 1, kAnswer = 2;

std::optional<Header> read(std::span<const std::byte> message) {
  Header header;
  if (message.size() < sizeof header) return {};
  std::memcpy(&header, message.data(), sizeof header);
  if (be32toh(header.magic) != kMagic) return {};
  return header;
}

}  // namespace

void write_request(std::span<std::byte> message, const PingMessage& content) {
  const Header header{.magic = htobe32(kMagic),
                      .kind = kRequest,
                      .zeros = {},
                      .session = htobe32(content.session),
                      .peer = htobe32(content.peer),
                      .sequence = htobe64(content.sequence)};
  std::memcpy(message.data(), &header, sizeof header);
}

bool make_answer(std::span<std::byte> message) {
  const auto header = read(message);
  if (!header || header->kind != kRequest) return false;
  message[offsetof(Header, kind)] = std::byte{kAnswer};
  return true;
}

std::optional<PingMessage> read_answer(std::span<const std::byte> message) {
  const auto header = read(message);
  if (!header || header->kind != kAnswer) return {};
  return PingMessage{.session = be32toh(header->session),
                     .peer = be32toh(header->peer),
                     .sequence = be64toh(header->sequence)};
}

}  // namespace rdpipe::tools
