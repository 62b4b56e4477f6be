// Fuzzes both ends of the handshake: nobody who does not know the key is ever authenticated. The first byte
// chooses the end and how far a good conversation goes before the fuzzer speaks; the second how long its
// pieces are.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>

#include "session/handshake.h"

namespace {

using namespace rdpipe;

const std::array<std::byte, kSaltSize> kSalt{};

std::shared_ptr<const ListenerKeys> make_listener_keys() {
  std::vector<NamedPsk> keys;
  keys.push_back({"", Secret(std::string(kPskSize, 'k'))});
  return std::make_shared<const ListenerKeys>(kSalt, std::move(keys));
}

void feed(Handshake& handshake, std::span<const std::byte> bytes, std::size_t piece) {
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(piece, bytes.size()));
    handshake.receive(part);
    (void)handshake.take_output();
    if (handshake.verdict() == Verdict::kNeedsPsk) handshake.set_psk(Secret(std::string(kPskSize, 'k')));
    bytes = bytes.subspan(part.size());
  }
  if (handshake.verdict() == Verdict::kDone) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto rest = std::as_bytes(std::span(data, size)).subspan(2);
  const std::size_t piece = data[1] + std::size_t{1};
  Handshake connector = Handshake::connector();
  static const auto keys = make_listener_keys();  // slow to make, never changed
  Handshake listener = Handshake::listener(keys);
  const int rounds = data[0] >> 1 & 3;  // of the good conversation: none, HELLO, TLS's first flight
  for (int i = 0; i < std::min(rounds, 2); ++i) {
    listener.receive(connector.take_output());
    if (i == 1) break;
    connector.receive(listener.take_output());
    connector.set_psk(Secret(std::string(kPskSize, 'k')));
  }
  feed((data[0] & 1) != 0 ? connector : listener, rest, piece);
  return 0;
}
