#include "session/key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "ground/error.h"
#include "seal/digest.h"

namespace rdpipe {
namespace {

constexpr std::size_t kMaxPassphrase = 1024;      // bytes
constexpr std::size_t kGuessablePassphrase = 12;  // bytes; shorter ones are worth a warning

std::optional<std::byte> nibble(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<std::byte>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<std::byte>(digit - 'a' + 10);
  if (digit >= 'A' && digit <= 'F') return static_cast<std::byte>(digit - 'A' + 10);
  return {};
}

std::optional<Secret> from_hex(std::string_view text) {
  if (text.size() != 2 * kPskSize) return {};
  Secret bytes(kPskSize);
  for (std::size_t i = 0; i < kPskSize; ++i) {
    const auto high = nibble(text[2 * i]);
    const auto low = nibble(text[2 * i + 1]);
    if (!high || !low) return {};
    bytes.writable()[i] = *high << 4 | *low;
  }
  return bytes;
}

struct FreeKdf {
  void operator()(EVP_KDF* kdf) const { EVP_KDF_free(kdf); }
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};

Secret scrypt(std::span<const std::byte> passphrase, std::span<const std::byte> salt) {
  std::uint64_t n = 1 << 14;
  std::uint32_t r = 8;
  std::uint32_t p = 1;
  // OpenSSL's parameters are not const, but it only reads these.
  auto* pass = const_cast<std::byte*>(passphrase.data());
  auto* salt_bytes = const_cast<std::byte*>(salt.data());
  const std::array params = {
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD, pass, passphrase.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt_bytes, salt.size()),
      OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
      OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
      OSSL_PARAM_construct_end(),
  };
  const std::unique_ptr<EVP_KDF, FreeKdf> kdf(EVP_KDF_fetch(nullptr, "SCRYPT", nullptr));
  const std::unique_ptr<EVP_KDF_CTX, FreeKdf> context(kdf ? EVP_KDF_CTX_new(kdf.get()) : nullptr);
  Secret psk(kPskSize);
  auto* out = reinterpret_cast<unsigned char*>(psk.writable().data());
  if (!context || EVP_KDF_derive(context.get(), out, kPskSize, params.data()) != 1) {
    throw Error(Status::kMemory, "derive a key with scrypt", "OpenSSL refused it",
                "it needs 16 MiB of memory and OpenSSL's default provider");
  }
  return psk;
}

Secret copy(std::span<const std::byte> bytes) {
  return Secret(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace

Key::Key(Secret text) : text_(std::move(text)) {
  if (text_.empty()) throw Error(Status::kAuthentication, "key", "it is empty");
  if (text_.bytes().size() > kMaxPassphrase) {
    throw Error(Status::kAuthentication, "key", "it is longer than 1024 bytes");
  }
  if (auto bytes = from_hex(text_.text())) {
    text_ = std::move(*bytes);
    is_random_ = true;
  }
}

std::string Key::generate() {
  Secret bytes(kPskSize);
  fill_random(bytes.writable());
  return hex(bytes.bytes());
}

bool Key::is_short() const noexcept { return !is_random_ && text_.bytes().size() < kGuessablePassphrase; }

Secret Key::psk(std::span<const std::byte, kSaltSize> salt) const {
  return is_random_ ? copy(text_.bytes()) : scrypt(text_.bytes(), salt);
}

KeyId key_id(const Secret& psk, std::span<const std::byte, kSaltSize> salt) {
  constexpr std::string_view kLabel = "rdpipe key";
  std::array<std::byte, kLabel.size() + kSaltSize> said;
  std::ranges::copy(salt, std::ranges::copy(std::as_bytes(std::span(kLabel)), said.begin()).out);
  std::array<std::byte, 32> hmac;
  std::size_t size = 0;
  const auto secret = psk.bytes();
  const auto* made = EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, secret.data(), secret.size(),
                               reinterpret_cast<const unsigned char*>(said.data()), said.size(),
                               reinterpret_cast<unsigned char*>(hmac.data()), hmac.size(), &size);
  if (made == nullptr || size != hmac.size()) {
    throw Error(Status::kMemory, "HMAC-SHA-256", "OpenSSL refused it");
  }
  KeyId id;
  std::copy_n(hmac.begin(), id.size(), id.begin());
  return id;
}

}  // namespace rdpipe
