// How the payload of frames is to be compressed. Plain values.
#pragma once

namespace rdpipe {

enum class CompressionUse : unsigned char { kOff, kAuto, kZstd, kLz4 };  // auto: what moves most

constexpr int kMostZstdLevel = 19;  // the least is 1

struct Compression {
  CompressionUse use = CompressionUse::kOff;
  int zstd_level = 3;  // with kZstd

  bool operator==(const Compression&) const = default;
};

}  // namespace rdpipe
