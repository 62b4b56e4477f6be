#include "seal/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>  // the library's AVX2 and AVX-512 code, chosen at run time: 2 to 3 times SSE2
#endif
#define XXH_STATIC_LINKING_ONLY  // XXH3_state_t as a member
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "ground/error.h"
#include "wire/integers.h"

namespace rdpipe {
namespace {

constexpr std::size_t kZerosSize = 64_KiB;

std::vector<std::byte> zeros() { return std::vector<std::byte>(kZerosSize); }

Digest128 canonical(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Digest128 digest;
  std::memcpy(digest.data(), canonical.digest, digest.size());
  return digest;
}

Digest128 hash_zero_leaf() {
  const std::vector<std::byte> leaf(kLeafSize);
  return canonical(XXH3_128bits(leaf.data(), leaf.size()));
}

}  // namespace

Digest128 digest_of(std::span<const std::byte> bytes) {
  return canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

std::vector<Digest128> leaves_of(std::span<const std::byte> bytes) {
  std::vector<Digest128> leaves;
  leaves.reserve((bytes.size() + kLeafSize - 1) / kLeafSize);
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), kLeafSize)))
    leaves.push_back(digest_of(bytes.first(std::min(bytes.size(), kLeafSize))));
  return leaves;
}

std::string hex(std::span<const std::byte> bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    fmt::format_to(std::back_inserter(text), "{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

struct StreamDigest::State {
  XXH3_state_t leaf;    // of the leaf that is being filled
  XXH3_state_t leaves;  // of the whole leaves so far
  std::uint64_t length = 0;
  std::optional<Digest128> zero_leaf;  // of a leaf of zeros, once it was needed

  State() {
    XXH3_128bits_reset(&leaf);
    XXH3_128bits_reset(&leaves);
  }
  [[nodiscard]] std::size_t filled() const { return length % kLeafSize; }  // of the current leaf

  void add_leaf(const Digest128& digest) { XXH3_128bits_update(&leaves, digest.data(), digest.size()); }
  // At most what is left of the leaf.
  void fill(std::span<const std::byte> bytes) {
    XXH3_128bits_update(&leaf, bytes.data(), bytes.size());
    length += bytes.size();
    if (filled() != 0) return;
    add_leaf(canonical(XXH3_128bits_digest(&leaf)));
    XXH3_128bits_reset(&leaf);
  }
};

StreamDigest::StreamDigest() : state_(std::make_unique<State>()) {}
StreamDigest::StreamDigest(StreamDigest&&) noexcept = default;
StreamDigest& StreamDigest::operator=(StreamDigest&&) noexcept = default;
StreamDigest::~StreamDigest() = default;

void StreamDigest::add(std::span<const std::byte> bytes, std::span<const Digest128> leaves) {
  if (state_->filled() != 0) leaves = {};  // those are of other offsets
  while (!bytes.empty()) {
    if (state_->filled() == 0 && bytes.size() >= kLeafSize) {
      state_->add_leaf(leaves.empty() ? digest_of(bytes.first(kLeafSize)) : leaves.front());
      if (!leaves.empty()) leaves = leaves.subspan(1);
      state_->length += kLeafSize;
      bytes = bytes.subspan(kLeafSize);
    } else {
      const auto part = bytes.first(std::min(bytes.size(), kLeafSize - state_->filled()));
      state_->fill(part);
      bytes = bytes.subspan(part.size());
    }
  }
}

void StreamDigest::add_zeros(std::uint64_t count) {
  std::vector<std::byte> block;
  while (count > 0) {
    if (state_->filled() == 0 && count >= kLeafSize) {
      if (!state_->zero_leaf) state_->zero_leaf = hash_zero_leaf();
      state_->add_leaf(*state_->zero_leaf);
      state_->length += kLeafSize;
      count -= kLeafSize;
    } else {
      if (block.empty()) block = zeros();
      const std::uint64_t part = std::min<std::uint64_t>({count, block.size(), kLeafSize - state_->filled()});
      state_->fill(std::span(block).first(part));
      count -= part;
    }
  }
}

std::uint64_t StreamDigest::length() const { return state_->length; }

Digest128 StreamDigest::root() const {
  XXH3_state_t leaves;
  XXH3_copyState(&leaves, &state_->leaves);
  if (state_->filled() != 0) {
    const Digest128 last = canonical(XXH3_128bits_digest(&state_->leaf));
    XXH3_128bits_update(&leaves, last.data(), last.size());
  }
  const be64 length = state_->length;
  XXH3_128bits_update(&leaves, &length, sizeof length);
  return canonical(XXH3_128bits_digest(&leaves));
}

struct NamedDigest::State {
  struct Free {
    void operator()(EVP_MD_CTX* freed) const { EVP_MD_CTX_free(freed); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context{EVP_MD_CTX_new()};
};

NamedDigest::NamedDigest(const std::string& algorithm) : state_(std::make_unique<State>()) {
  const EVP_MD* md = EVP_get_digestbyname(algorithm.c_str());
  const bool has_no_length = md != nullptr && (EVP_MD_get_flags(md) & EVP_MD_FLAG_XOF) != 0;  // SHAKE
  if (md == nullptr || has_no_length || EVP_DigestInit_ex(state_->context.get(), md, nullptr) != 1) {
    throw Error(Status::kUsage, fmt::format("digest '{}'", printable(algorithm, 40)), "no such algorithm",
                "`openssl list -digest-algorithms` names those that exist");
  }
}
NamedDigest::NamedDigest(NamedDigest&&) noexcept = default;
NamedDigest::~NamedDigest() = default;

void NamedDigest::add(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) != 1) {
    throw Error(Status::kMemory, "digest", "OpenSSL refused to go on");
  }
}

void NamedDigest::add_zeros(std::uint64_t count) {
  const auto block = zeros();
  for (; count > 0; count -= std::min<std::uint64_t>(count, block.size())) {
    add(std::span(block).first(std::min<std::uint64_t>(count, block.size())));
  }
}

std::string NamedDigest::finish() {
  std::array<std::byte, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_DigestFinal_ex(state_->context.get(), reinterpret_cast<unsigned char*>(digest.data()), &size) !=
      1) {
    throw Error(Status::kMemory, "digest", "OpenSSL refused to finish");
  }
  return hex(std::span(digest).first(size));
}

}  // namespace rdpipe
