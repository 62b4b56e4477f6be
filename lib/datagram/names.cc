#include "datagram/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "ground/error.h"
#include "transport/address.h"
#include "wire/integers.h"

namespace rdpipe {
namespace {

constexpr std::uint32_t kMagic = 0x52445044;  // "RDPD"
constexpr std::uint16_t kVersion = 1;

struct QuestionHead {
  be32 magic;
  be16 version;
  be8 length;
  be8 zero;
};
static_assert(sizeof(QuestionHead) == 8);

struct AnswerBody {
  be32 magic;
  be16 version;
  be16 endpoints;
  be32 key;
  be32 max_payload;
};
static_assert(sizeof(AnswerBody) == 16);

struct EntryHead {
  be32 magic;
  be16 version;
  be16 length;
  be64 expiry;
  be32 queue_pair;
  be32 key;
};
static_assert(sizeof(EntryHead) == 24);

template <typename Head>
std::vector<std::byte> encode(Head head, std::string_view text) {
  head.magic = kMagic;
  head.version = kVersion;
  std::vector<std::byte> out(sizeof head + text.size());
  std::memcpy(out.data(), &head, sizeof head);
  if (!text.empty()) std::memcpy(out.data() + sizeof head, text.data(), text.size());
  return out;
}

template <typename Head>
std::optional<Head> decode(std::span<const std::byte> bytes) {
  Head head;
  if (bytes.size() < sizeof head) return {};
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.magic != kMagic || head.version != kVersion) return {};
  return head;
}

// The text behind a head that says how long it is; more may follow, as rdma_cm pads with zeros.
template <typename Head>
std::optional<std::string> text_behind(const Head& head, std::span<const std::byte> bytes) {
  const std::size_t length = head.length;
  if (bytes.size() - sizeof head < length) return {};
  return std::string(reinterpret_cast<const char*>(bytes.data() + sizeof head), length);
}

[[noreturn]] void reject(std::string_view text, const std::string& cause) {
  throw Error(Status::kUsage, fmt::format("name '{}'", printable(text)), cause,
              "a name is HOST, HOST:PORT or HOST:PORT/NAME, with brackets around an IPv6 address");
}

}  // namespace

PeerAddress parse_peer(std::string_view text) {
  PeerAddress out;
  std::string_view rest = text;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) reject(text, "the bracket is not closed");
    out.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (!rest.empty() && rest[0] != ':') reject(text, "what follows the bracket is no port");
  } else {
    const auto colon = rest.find(':');
    if (colon != std::string_view::npos && rest.find(':', colon + 1) != std::string_view::npos) {
      out.host = rest;  // an IPv6 address as it is
      rest = {};
    } else {
      out.host = rest.substr(0, colon);
      rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon);
    }
  }
  if (out.host.empty()) reject(text, "the host is empty");
  if (rest == ":") reject(text, "the port is empty");
  if (!rest.empty()) out.port = rest.substr(1);
  if (out.host.find_first_of("[]") != std::string::npos) reject(text, "the host has a bracket in it");
  if (out.port.find_first_of("[]:") != std::string::npos)
    reject(text, "the port has a bracket or colon in it");
  return out;
}

EndpointName parse_endpoint_name(std::string_view text) {
  const auto slash = text.find('/');
  EndpointName out{parse_peer(text.substr(0, slash)), {}};
  if (slash != std::string_view::npos) out.name = text.substr(slash + 1);
  if (out.name.size() > kLongestName) reject(text, fmt::format("NAME has more than {} bytes", kLongestName));
  if (out.peer.port.empty()) out.peer.port = kDatagramPort;
  return out;
}

std::string text_of(const EndpointName& name) {
  return endpoint_text(name.peer) + (name.name.empty() ? "" : "/" + name.name);
}

std::vector<std::byte> encode_question(std::string_view name) {
  QuestionHead head;
  head.length = static_cast<std::uint8_t>(name.size());
  return encode(head, name);
}

std::optional<std::string> decode_question(std::span<const std::byte> bytes) {
  const auto head = decode<QuestionHead>(bytes);
  if (!head || head->length > kLongestName) return {};
  return text_behind(*head, bytes);
}

std::vector<std::byte> encode_answer(const NameAnswer& answer) {
  AnswerBody body;
  body.endpoints = answer.endpoints;
  body.key = answer.key;
  body.max_payload = static_cast<std::uint32_t>(answer.max_payload);
  return encode(body, {});
}

std::optional<NameAnswer> decode_answer(std::span<const std::byte> bytes) {
  const auto body = decode<AnswerBody>(bytes);
  if (!body) return {};
  return NameAnswer{.key = body->key, .max_payload = body->max_payload, .endpoints = body->endpoints};
}

std::vector<std::byte> encode_registered(const RegistryEntry& entry) {
  EntryHead head;
  head.length = static_cast<std::uint16_t>(entry.where.size());
  head.expiry = entry.expiry;
  head.queue_pair = entry.queue_pair;
  head.key = entry.key;
  return encode(head, entry.where);
}

std::optional<RegistryEntry> decode_registered(std::span<const std::byte> bytes) {
  const auto head = decode<EntryHead>(bytes);
  if (!head) return {};
  const auto where = text_behind(*head, bytes);
  if (!where) return {};
  return RegistryEntry{
      .where = *where, .expiry = head->expiry, .queue_pair = head->queue_pair, .key = head->key};
}

}  // namespace rdpipe
