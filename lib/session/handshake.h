// HELLO and TLS 1.3 with an external pre-shared key and (EC)DHE: bytes in, bytes out, a verdict. No I/O, no
// device: a conversation is a table in a test. Afterwards it is the secure channel of the session. A
// Handshake belongs to one thread; ListenerKeys may be shared by several.
//
// HELLO:  magic u32, major u16, minor u16.                                   Connector to listener.
// Answer: magic u32, major u16, minor u16, verdict u8 (0 go on, 1 other version), salt 16 bytes.   Back.
// Every major version keeps these two, up to the verdict. Then TLS records, the connector being TLS's client;
// ALPN "rdpipe/3"; the PSK identity is the key's id. Tickets and early data are off. A ClientHello is one
// record of at most 4 KiB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ground/secret.h"
#include "session/key.h"
#include "wire/message.h"

namespace rdpipe {

class TlsContext;

constexpr std::size_t kMaxHandshakeInput = 16384;  // bytes one stranger may say before it is authenticated

enum class Verdict : std::uint8_t {
  kInProgress,
  kNeedsPsk,      // connector only: salt() is known, call set_psk()
  kDone,          // authenticated
  kWrongKey,      // the keys differ
  kOtherVersion,  // the peer speaks rdpipe of another major version: peer_version()
  kNotRdpipe,     // what came is no rdpipe
};

// A key's pre-shared secret and what its listener calls it.
struct NamedPsk {
  std::string name;
  Secret psk;
};

// What all handshakes of one listener share: the salt and the secrets made from it.
class ListenerKeys {
 public:
  // At least one; of two that are the same the first counts.
  ListenerKeys(std::span<const std::byte, kSaltSize> salt, std::vector<NamedPsk> keys);
  [[nodiscard]] std::span<const std::byte, kSaltSize> salt() const { return salt_; }
  [[nodiscard]] const std::shared_ptr<const TlsContext>& tls() const { return tls_; }
  [[nodiscard]] const std::string& name_of(std::size_t key) const { return names_.at(key); }

 private:
  std::array<std::byte, kSaltSize> salt_{};
  std::vector<std::string> names_;
  std::shared_ptr<const TlsContext> tls_;
};

class Handshake {
 public:
  enum class Side : std::uint8_t { kConnector, kListener };
  [[nodiscard]] static Handshake connector();
  // It allocates nothing beyond itself (under 1 KiB) until a good HELLO and a whole ClientHello have come.
  [[nodiscard]] static Handshake listener(std::shared_ptr<const ListenerKeys> keys);
  Handshake(Handshake&&) noexcept;
  Handshake& operator=(Handshake&&) noexcept;
  ~Handshake();

  void receive(std::span<const std::byte> bytes);      // what came from the peer
  [[nodiscard]] std::vector<std::byte> take_output();  // what must go to the peer; empty: nothing
  [[nodiscard]] Verdict verdict() const;
  // Listener only: the peer has said a good HELLO and is in the middle of TLS.
  [[nodiscard]] bool greeted() const;
  [[nodiscard]] std::span<const std::byte, kSaltSize> salt() const;
  void set_psk(Secret psk);
  [[nodiscard]] std::uint16_t peer_version() const;
  // Listener only, after kDone: what the key is called that the connector has shown.
  [[nodiscard]] const std::string& key_name() const;
  // SHA-256 of HELLO and answer, as this side saw them.
  [[nodiscard]] std::array<std::byte, 32> transcript() const;

  // After kDone. Plain bytes in both directions; the records are what receive() takes and take_output()
  // gives.
  void write(std::span<const std::byte> plain);
  [[nodiscard]] std::vector<std::byte> read();  // what has arrived, perhaps nothing
  // True when the channel was altered or closed by the peer: nothing more will come of it.
  [[nodiscard]] bool broken() const;
  [[nodiscard]] Secret export_key(const std::string& label, std::size_t size) const;

 private:
  struct State;
  explicit Handshake(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace rdpipe
