#include "stream/wrapping.h"

#include "ground/error.h"
#include "seal/frame_digest.h"
#include "wire/frame.h"

namespace rdpipe {

Wrapper::Wrapper(const Session& session, const Compression& compression)
    : stamps_(has_frame_digests(session.terms())) {
  if (compression.use != CompressionUse::kOff && session.terms().compressions != 0) {
    compressor_.emplace(compression.zstd_level, compression.use == CompressionUse::kAuto);
  }
  if (session.terms().sealed) sealer_.emplace(session.sending_key());
}

void Wrapper::wrap(Slot& slot, std::span<const Digest128> leaves) const {
  if (takes_long()) slot.own();  // both alter it
  if (compressor_) compressor_->compress(slot);
  if (stamps_) stamp(slot, compressor_ ? std::span<const Digest128>() : leaves);
  if (sealer_) sealer_->seal(slot);
}

Unwrapper::Unwrapper(const Session& session)
    : peer_(session.terms().peer_host),
      is_stamped_(has_frame_digests(session.terms())),
      compressions_(session.terms().compressions),
      slot_size_(session.terms().slot_size) {
  if (compressions_ != 0) decompressor_.emplace();
  if (session.terms().sealed) sealer_.emplace(session.receiving_key());
}

void Unwrapper::unwrap(Slot& slot, std::uint64_t sequence) const {
  const auto require = [&](bool fact, const char* cause) {
    if (!fact) throw Error(Status::kDamaged, "receive from " + peer_, cause);
  };
  if (sealer_ && !sealer_->open(slot, sequence)) {
    throw Error(Status::kDamaged, "open a sealed frame", "it was altered or forged on the way");
  }
  const auto header = decode_frame(slot.header());
  require(header && header->raw_length <= slot_size_ &&
              (header->flags & kCompressionFlags & ~compressions_) == 0 &&
              ((header->flags & kFlagSealed) != 0) == sealer_.has_value() &&
              ((header->flags & kFlagDigest) != 0) == is_stamped_,
          "a malformed frame");
  require(!is_stamped_ || is_intact(slot), "digest mismatch: a frame was altered on the way");
  require(!decompressor_ || decompressor_->decompress(slot), "a compressed frame is damaged");
}

}  // namespace rdpipe
