// The key two ends share, and the pre-shared secret of TLS made from it.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "ground/secret.h"

namespace rdpipe {

constexpr std::size_t kSaltSize = 16;
constexpr std::size_t kPskSize = 32;
constexpr std::size_t kKeyIdSize = 16;
// Which of a listener's keys it is: says nothing to those who do not know it, and something else for each
// salt.
using KeyId = std::array<std::byte, kKeyIdSize>;

class Key {
 public:
  // 64 hexadecimal digits are 32 random bytes, used as they are; anything else (1 to 1024 bytes) is a
  // passphrase. Throws Error{kAuthentication} for an empty or longer one.
  explicit Key(Secret text);
  // A fresh random key as 64 hexadecimal digits.
  [[nodiscard]] static std::string generate();

  [[nodiscard]] bool is_random() const noexcept { return is_random_; }
  // A passphrase below 12 characters: whoever records one handshake can guess it offline.
  [[nodiscard]] bool is_short() const noexcept;
  // scrypt(N 2^14, r 8, p 1: 16 MiB, about 50 ms) for a passphrase. Thread-safe; meant for a worker.
  [[nodiscard]] Secret psk(std::span<const std::byte, kSaltSize> salt) const;

 private:
  Secret text_;
  bool is_random_ = false;
};

// The first 16 bytes of HMAC-SHA-256 with the pre-shared secret, over "rdpipe key" and the salt. Thread-safe.
[[nodiscard]] KeyId key_id(const Secret& psk, std::span<const std::byte, kSaltSize> salt);

}  // namespace rdpipe
