// TLS 1.3 over memory: an external pre-shared key with (EC)DHE, AES-256-GCM and SHA-384, and nothing else: no
// certificates, tickets, early data, older versions. TlsContext is OpenSSL's settings with the keys, shared
// by the handshakes of one listener (thread-safe); TlsChannel is one conversation and belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ground/secret.h"
#include "session/key.h"

struct ssl_st;
struct ssl_ctx_st;

namespace rdpipe {

enum class TlsSide : std::uint8_t { kClient, kServer };

struct TlsKey {
  KeyId id;  // the PSK identity
  Secret psk;
};

class TlsContext {
 public:
  TlsContext(TlsSide side, std::vector<TlsKey> keys);  // a client has one
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  [[nodiscard]] TlsSide side() const noexcept { return side_; }
  [[nodiscard]] const std::vector<TlsKey>& keys() const noexcept { return keys_; }
  [[nodiscard]] ssl_ctx_st* get() const noexcept { return context_; }

 private:
  TlsSide side_;
  std::vector<TlsKey> keys_;
  ssl_ctx_st* context_;
};

enum class TlsProgress : std::uint8_t {
  kInProgress,
  kDone,
  kWrongKey,  // the peer's proof fits no key, or ours did not fit the peer's
  kFailed,    // anything else: no TLS, another kind of TLS
};

// What a server has learnt of the client's key.
struct TlsShown {
  std::size_t key = 0;
  bool is_unknown = false;
  bool was_asked = false;  // about one identity
};

class TlsChannel {
 public:
  explicit TlsChannel(std::shared_ptr<const TlsContext> context);
  TlsChannel(TlsChannel&&) = delete;
  ~TlsChannel();

  void feed(std::span<const std::byte> records);       // from the peer
  [[nodiscard]] std::vector<std::byte> take_output();  // records for the peer
  // Carries the handshake on as far as what was fed allows. With kDone the channel lets go of the pre-shared
  // key.
  [[nodiscard]] TlsProgress advance();
  // After kDone: which of the context's keys it was.
  [[nodiscard]] std::size_t key() const noexcept { return shown_.key; }

  // After kDone.
  void write(std::span<const std::byte> plain);
  [[nodiscard]] std::vector<std::byte> read();
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  [[nodiscard]] Secret export_key(const std::string& label, std::size_t size) const;

 private:
  void forget_psk();

  std::shared_ptr<const TlsContext> context_;  // until the handshake is done; in front of ssl_, which uses it
  ssl_st* ssl_;
  TlsShown shown_;
  bool broken_ = false;
};

}  // namespace rdpipe
