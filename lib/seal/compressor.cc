#include "seal/compressor.h"

#include <lz4.h>
#include <zstd.h>
#include <zstd_errors.h>

#include <algorithm>
#include <array>
#include <new>
#include <span>
#include <vector>

#include "seal/workspaces.h"
#include "wire/frame.h"

namespace rdpipe {
namespace {

using Bytes = std::span<const std::byte>;
using Room = std::span<std::byte>;

constexpr std::size_t kLeastWorthwhile = 64;  // bytes; less than a header does not count
constexpr std::size_t kSample = 8_KiB;
constexpr std::size_t kSamples = 2;
constexpr std::size_t kLargeFrame = 64_KiB;  // a look at a piece of it costs little beside the whole
constexpr int kSampleLevel = 1;
constexpr auto kZstdMagic =
    std::to_array({std::byte{0x28}, std::byte{0xB5}, std::byte{0x2F}, std::byte{0xFD}});  // RFC 8878

struct Free {
  void operator()(ZSTD_CCtx* freed) const { ZSTD_freeCCtx(freed); }
  void operator()(ZSTD_DCtx* freed) const { ZSTD_freeDCtx(freed); }
};

const char* chars(Bytes bytes) { return reinterpret_cast<const char*>(bytes.data()); }
char* chars(Room bytes) { return reinterpret_cast<char*>(bytes.data()); }

// As much of `size` as is worth to be decompressed again.
std::size_t worthwhile(std::size_t size) { return size - std::max<std::size_t>(size / 16, 1); }

// A zstd result; 0 where there is none.
std::size_t length_or_nothing(std::size_t result) {
  if (ZSTD_isError(result) == 0) return result;
  if (ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation) throw std::bad_alloc();
  return 0;
}

Room room(std::vector<std::byte>& memory, std::size_t size) {
  if (memory.size() < size) memory.resize(size);
  return std::span(memory).first(size);
}

}  // namespace

struct Compressor::Workspace {
  std::unique_ptr<ZSTD_CCtx, Free> zstd;  // made when it is needed
  std::vector<std::byte> memory;

  // How many bytes of `memory` became of `bytes`; 0: more than is worthwhile.
  std::size_t shrink(Bytes bytes, std::uint8_t method, int level) {
    const Room into = room(memory, worthwhile(bytes.size()));
    if (method == kFlagLz4) {
      return static_cast<std::size_t>(LZ4_compress_default(
          chars(bytes), chars(into), static_cast<int>(bytes.size()), static_cast<int>(into.size())));
    }
    if (!zstd) zstd.reset(ZSTD_createCCtx());
    if (!zstd) throw std::bad_alloc();
    return length_or_nothing(
        ZSTD_compressCCtx(zstd.get(), into.data(), into.size(), bytes.data(), bytes.size(), level));
  }
  bool promises(Bytes bytes, std::uint8_t method) {
    for (std::size_t i = 1; i <= kSamples; ++i) {
      const std::size_t middle = bytes.size() * i / (kSamples + 1);
      if (shrink(bytes.subspan(middle - kSample / 2, kSample), method, kSampleLevel) > 0) return true;
    }
    return false;
  }
};

struct Compressor::State {
  State(int level, bool does_doubt) : zstd_level(level), doubts(does_doubt) {}
  const int zstd_level;
  const bool doubts;
  Workspaces<Workspace> workspaces;
};

Compressor::Compressor(int zstd_level, bool doubts) : state_(std::make_unique<State>(zstd_level, doubts)) {}
Compressor::~Compressor() = default;

void Compressor::compress(Slot& slot) const {
  auto header = decode_frame(slot.header()).value();  // our own
  const auto method = static_cast<std::uint8_t>(header.flags & kCompressionFlags);
  if (method == 0) return;
  const Bytes bytes = slot.filled();
  const std::size_t length = state_->workspaces.with_one([&](Workspace& workspace) -> std::size_t {
    if (bytes.size() < kLeastWorthwhile) return 0;
    if (state_->doubts && bytes.size() >= kLargeFrame && !workspace.promises(bytes, method)) return 0;
    const std::size_t shrunk = workspace.shrink(bytes, method, state_->zstd_level);
    std::copy_n(workspace.memory.begin(), shrunk, slot.payload().begin());
    return shrunk;
  });
  if (length > 0) return slot.resize(length);
  header.flags &= static_cast<std::uint8_t>(~kCompressionFlags);
  encode(header, slot.header());
}

struct Decompressor::Workspace {
  std::unique_ptr<ZSTD_DCtx, Free> zstd;
  std::vector<std::byte> memory;

  // Whether `bytes` are one whole frame of zstd, and none of an older format, that becomes exactly `into`.
  bool unpack_zstd(Bytes bytes, Room into) {
    if (bytes.size() < kZstdMagic.size() || !std::ranges::equal(bytes.first(kZstdMagic.size()), kZstdMagic)) {
      return false;
    }
    if (ZSTD_getFrameContentSize(bytes.data(), bytes.size()) != into.size()) return false;
    if (ZSTD_findFrameCompressedSize(bytes.data(), bytes.size()) != bytes.size()) return false;
    if (!zstd) zstd.reset(ZSTD_createDCtx());
    if (!zstd) throw std::bad_alloc();
    return length_or_nothing(ZSTD_decompressDCtx(zstd.get(), into.data(), into.size(), bytes.data(),
                                                 bytes.size())) == into.size();
  }
  static bool unpack_lz4(Bytes bytes, Room into) {
    const int size = static_cast<int>(into.size());
    return LZ4_decompress_safe(chars(bytes), chars(into), static_cast<int>(bytes.size()), size) == size;
  }
};

struct Decompressor::State {
  Workspaces<Workspace> workspaces;
};

Decompressor::Decompressor() : state_(std::make_unique<State>()) {}
Decompressor::~Decompressor() = default;

bool Decompressor::decompress(Slot& slot) const {
  const auto header = decode_frame(slot.header());
  if (!header) return false;
  const auto method = static_cast<std::uint8_t>(header->flags & kCompressionFlags);
  if (method == 0) return true;
  if (method == kCompressionFlags) return false;
  if (header->raw_length > slot.payload().size() || header->raw_length <= slot.size()) return false;
  return state_->workspaces.with_one([&](Workspace& workspace) {
    const Room packed = room(workspace.memory, slot.size());
    std::ranges::copy(slot.filled(), packed.begin());
    slot.resize(header->raw_length);
    return method == kFlagZstd ? workspace.unpack_zstd(packed, slot.filled())
                               : Workspace::unpack_lz4(packed, slot.filled());
  });
}

}  // namespace rdpipe
