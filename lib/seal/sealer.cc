#include "seal/sealer.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>
#include <new>
#include <utility>

#include "ground/error.h"
#include "wire/integers.h"

namespace rdpipe {
namespace {

constexpr std::size_t kCipherKeySize = 32;
constexpr std::size_t kNonceSize = 12;
using Nonce = std::array<std::byte, kNonceSize>;

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, ContextFree>;

unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* raw(const std::byte* bytes) { return reinterpret_cast<const unsigned char*>(bytes); }

// What OpenSSL only refuses for want of memory or of the cipher itself.
void require(int result) {
  if (result != 1) throw Error(Status::kMemory, "AES-256-GCM", "OpenSSL refused it");
}

Nonce make_nonce(std::span<const std::byte> key, std::uint64_t sequence) {
  Nonce nonce;
  std::copy_n(key.begin() + kCipherKeySize, kNonceSize, nonce.begin());
  const be64 number = sequence;
  const auto bytes = std::as_bytes(std::span(&number, 1));
  for (std::size_t i = 0; i < bytes.size(); ++i) nonce[kNonceSize - bytes.size() + i] ^= bytes[i];
  return nonce;
}

// A context that has taken key, nonce and associated data.
Context start(std::span<const std::byte> key, std::uint64_t sequence, std::span<const std::byte> associated,
              bool encrypt) {
  Context context(EVP_CIPHER_CTX_new());
  if (!context) throw std::bad_alloc();
  const Nonce nonce = make_nonce(key, sequence);
  require(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, raw(key.data()), raw(nonce.data()),
                            encrypt ? 1 : 0));
  int length = 0;
  require(EVP_CipherUpdate(context.get(), nullptr, &length, raw(associated.data()),
                           static_cast<int>(associated.size())));
  return context;
}

// Encrypts or decrypts in place. GCM takes no more than INT_MAX at once, and a payload is at most 4 MiB.
void run_in_place(EVP_CIPHER_CTX* context, std::span<std::byte> bytes) {
  int length = 0;
  if (bytes.empty()) return;  // a hole: only its header is protected
  require(EVP_CipherUpdate(context, raw(bytes.data()), &length, raw(bytes.data()),
                           static_cast<int>(bytes.size())));
}

}  // namespace

Sealer::Sealer(Secret key) : key_(std::move(key)) { assert(key_.bytes().size() == kSealKeySize); }

void Sealer::seal(Slot& slot) const {
  auto header = decode_frame(slot.header());
  assert(header);
  header->flags |= kFlagSealed;
  header->data_credits = header->control_credits = 0;
  header->tag = {};
  encode(*header, slot.header());
  const Context context = start(key_.bytes(), header->sequence, slot.header(), true);
  run_in_place(context.get(), slot.filled());
  int length = 0;
  std::array<std::byte, kFrameTagSize> tag;
  require(EVP_CipherFinal_ex(context.get(), raw(tag.data()), &length));
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kFrameTagSize, tag.data()));
  encode_tag(tag, slot.header());
}

bool Sealer::open(Slot& slot, std::uint64_t expected_sequence) const {
  auto header = decode_frame(slot.header());
  if (!header || (header->flags & kFlagSealed) == 0 || header->sequence != expected_sequence) return false;
  auto tag = std::exchange(header->tag, {});
  header->data_credits = header->control_credits = 0;
  std::array<std::byte, kFrameHeaderSize> associated;
  encode(*header, associated);  // decode_frame() has seen to it that nothing is lost on the way
  const Context context = start(key_.bytes(), expected_sequence, associated, false);
  run_in_place(context.get(), slot.filled());
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kFrameTagSize, tag.data()));
  int length = 0;
  return EVP_CipherFinal_ex(context.get(), raw(tag.data()), &length) == 1;
}

}  // namespace rdpipe
