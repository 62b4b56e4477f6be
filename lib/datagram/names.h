// Names of endpoints, and what is said of them: as users write them, as they travel in the private data of
// rdma_cm (SIDR), and as a registry keeps them. No I/O, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "datagram/datagram.h"
#include "transport/fabric.h"

namespace rdpipe {

constexpr std::string_view kDatagramPort = "7471";
constexpr std::size_t kLongestName = 64;  // bytes

// Many endpoints of a process share one port, and are told apart by NAME; where that is empty, any will do.
struct EndpointName {
  PeerAddress peer;
  std::string name;
};

// "host", "host:port", "[v6]:port"; the port is empty where none is given. Throws Error{kUsage}.
[[nodiscard]] __attribute__((visibility("default"))) PeerAddress parse_peer(std::string_view text);
// The same, kDatagramPort where no port is given, or "host:port/NAME". Throws Error{kUsage}.
[[nodiscard]] __attribute__((visibility("default"))) EndpointName parse_endpoint_name(std::string_view text);
[[nodiscard]] __attribute__((visibility("default"))) std::string text_of(const EndpointName& name);

// The question: magic u32, version u16, length of the name u8, 0 u8, the name. Big-endian, as all of these.
[[nodiscard]] std::vector<std::byte> encode_question(std::string_view name);
[[nodiscard]] std::optional<std::string> decode_question(std::span<const std::byte> bytes);

// The answer; the queue pair stands in rdma_cm's own fields. Magic u32, version u16, endpoints u16, key u32,
// maximal payload u32.
struct NameAnswer {
  std::uint32_t key = 0;
  std::size_t max_payload = 0;  // bytes
  std::uint16_t endpoints = 0;  // behind this port
};
[[nodiscard]] std::vector<std::byte> encode_answer(const NameAnswer& answer);
[[nodiscard]] std::optional<NameAnswer> decode_answer(std::span<const std::byte> bytes);

// What a registry keeps under a name: where to ask, and who must answer. Magic u32, version u16, length of
// `where` u16, expiry u64, queue pair u32, key u32, `where`.
struct RegistryEntry {
  std::string where;         // "10.0.0.1:7471/NAME"
  std::uint64_t expiry = 0;  // seconds since 1970
  std::uint32_t queue_pair = 0, key = 0;
  bool operator==(const RegistryEntry&) const = default;
};
[[nodiscard]] std::vector<std::byte> encode_registered(const RegistryEntry& entry);
[[nodiscard]] std::optional<RegistryEntry> decode_registered(std::span<const std::byte> bytes);

}  // namespace rdpipe
