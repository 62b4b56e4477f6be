// Compression of single frames with zstd or LZ4, which depend on nothing but themselves. The payload is
// replaced in its slot by way of memory that each call of several at once has for itself: of the size of a
// slot, and what the method needs (zstd: by level and size of frames up to 65 MiB to compress, 1 MiB at the
// usual level; 100 KiB to decompress).
// Thread-safe; slots may be those of a worker.
#pragma once

#include <memory>

#include "ring/ring.h"

namespace rdpipe {

class Compressor {
 public:
  // `doubts`: first looks whether a piece of a large frame shrinks.
  Compressor(int zstd_level, bool doubts);
  ~Compressor();

  // slot.header(), which is encoded, has the flag of the method to use. Where that saves less than a 16th,
  // the frame stays as it is, and loses the flag.
  void compress(Slot& slot) const;

 private:
  struct Workspace;
  struct State;
  std::unique_ptr<State> state_;
};

class Decompressor {
 public:
  Decompressor();
  ~Decompressor();

  // Undoes it where slot.header() has the flag of a method; the header stays. False for what no compressor
  // has made, whoever sent it: more than the slot holds, another length than the header says, garbage.
  [[nodiscard]] bool decompress(Slot& slot) const;

 private:
  struct Workspace;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rdpipe
