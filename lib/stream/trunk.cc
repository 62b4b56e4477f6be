#include "stream/trunk.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <string>
#include <utility>
#include <variant>

#include "io/loop.h"

namespace rdpipe {
namespace {

constexpr std::size_t kWarmSlots = 4;  // of the buffer's keep their memory while nothing is in them

StreamDigests digests(bool digest, const std::string& hash) {
  Terms terms;
  terms.digest = digest;
  StreamOptions options;
  options.hash = hash;
  return {terms, options};
}

RingShape buffer_shape(std::size_t size, std::size_t slot) {
  return {slot, std::max<std::size_t>(2, size / slot)};
}

}  // namespace

Trunk::Trunk(std::shared_ptr<Source> source, bool digest, const std::string& hash)
    : source_(std::move(source)), digests_(digests(digest, hash)) {}

Trunk::~Trunk() { assert(branches_.empty()); }

void Trunk::start(Loop& loop, Ring& ring, std::size_t max_payload, std::size_t buffer_size) {
  if (buffer_size > 0) {
    try {
      buffer_.emplace(buffer_shape(buffer_size, max_payload), kWarmSlots);
    } catch (const Error& error) {
      throw Error(error.status(), "reserve a buffer of " + format_size(buffer_size), error.cause(),
                  "-m sets its size");
    }
  }
  loop_ = &loop;
  ring_ = &ring;
  if (digests_.computes_root()) ring.expect_leaves();
  source_->start(loop, ring, max_payload);
}

void Trunk::attend() {
  if (failure_) throw Error(*failure_);
  if (started() && !ended_) source_->attend();
}

void Trunk::read_ahead(bool somebody_waits) {
  constexpr std::size_t kEnough = 1_MiB;  // then the links get their turn
  if (!started() || ended_ || failure_) return;
  const std::uint64_t before = bytes_;
  bool more = (somebody_waits || buffer_) && read(somebody_waits);
  while (more && buffer_ && bytes_ - before < kEnough) more = read(false);
  if (more) loop_->wake_now();  // there may be more yet, of which the source wakes nobody
}

bool Trunk::read(bool urgent) {
  if (ended_ || failure_) return false;
  make_room();
  try {
    if (hole_ == 0) {
      auto event = source_->poll(urgent);
      if (!event) return false;
      take(std::move(*event));
    }
  } catch (const Error& error) {
    failure_ = error;
    loop_->wake_now();  // nobody else hears of it
    return false;
  }
  if (hole_ > 0) take_hole();
  return true;
}

void Trunk::take(SourceEvent event) {
  if (auto* filled = std::get_if<Filled>(&event)) {
    digests_.add(filled->slot.filled(), filled->leaves);
    bytes_ += filled->slot.size();
    append({.slot = std::move(filled->slot).share()});
  } else if (const auto* hole = std::get_if<Hole>(&event)) {
    hole_ = hole->length;
  } else {
    ended_ = true;
  }
}

// Not all of a long one: to digest it takes time.
void Trunk::take_hole() {
  const std::uint64_t length = std::min(hole_, kMaxHoleLength);
  digests_.add_zeros(length);
  bytes_ += length;
  hole_ -= length;
  append({.hole = length});
}

void Trunk::append(Piece piece) {
  pieces_.push_back(std::move(piece));
  const auto last = std::prev(pieces_.end());
  if (last->slot) {
    in_ring_.push_back(last);
    held_ += last->slot->filled().size();
  }
  for (Branch* branch : branches_) {
    if (branch->next_ != pieces_.end()) continue;
    branch->next_ = last;
    ++last->takers;
  }
  join_hole(last);
  drop_taken();
}

// Holes take no slot, so nothing else bounds how many of them wait for a branch that has stopped.
void Trunk::join_hole(Pieces::iterator piece) {
  if (piece->hole == 0 || piece->takers > 0 || piece == pieces_.begin()) return;
  Piece& before = *std::prev(piece);
  if (before.hole == 0) return;
  before.hole += piece->hole;
  pieces_.erase(piece);
}

// What is in front of all branches.
void Trunk::drop_taken() {
  while (!pieces_.empty() && pieces_.front().takers == 0) {
    const Piece& piece = pieces_.front();
    if (piece.slot) held_ -= piece.slot->filled().size();
    if (is_in_ring(piece)) in_ring_.pop_front();
    pieces_.pop_front();
  }
}

// Before the last slot is gone, so that the source goes on reading meanwhile.
void Trunk::make_room() {
  if (!buffer_) return;
  const std::size_t least = std::max<std::size_t>(1, ring_->shape().slots / 4);
  while (room() < least && spill_oldest()) {
  }
}

// Whether `piece` goes to the end of a slot of the buffer, in which it is nobody's next.
bool Trunk::fits_behind(const Piece& piece, const Slot& slot) const {
  return piece.takers == 0 && may_spill(piece) &&
         piece.slot->filled().size() <= slot.payload().size() - slot.size();
}

// The slot of the buffer in front of `piece`, where it has room for it; or none.
std::optional<Slot> Trunk::slot_before(Pieces::iterator piece) {
  if (piece == pieces_.begin()) return {};
  Piece& before = *std::prev(piece);
  if (!before.slot || is_in_ring(before) || !before.slot->is_last()) return {};
  Slot slot = std::move(*before.slot).unshare();
  if (fits_behind(*piece, slot)) return slot;
  before.slot = std::move(slot).share();
  return {};
}

// Together with those behind it that fit: small ones are not to take a slot each.
bool Trunk::spill_oldest() {
  const auto oldest = std::ranges::find_if(in_ring_, [this](auto piece) { return may_spill(*piece); });
  if (oldest == in_ring_.end()) return false;
  auto piece = *oldest;
  auto slot = slot_before(piece);
  const auto target = slot ? std::prev(piece) : piece;
  if (!slot && !(slot = buffer_->acquire())) return false;
  auto behind = oldest;
  do {
    const auto bytes = piece->slot->filled();
    std::ranges::copy(bytes, slot->payload().subspan(slot->size()).begin());
    slot->resize(slot->size() + bytes.size());
    ++behind;
    piece = piece == target ? std::next(piece) : pieces_.erase(piece);
  } while (piece != pieces_.end() && fits_behind(*piece, *slot));
  in_ring_.erase(oldest, behind);
  target->slot = std::move(*slot).share();
  return true;
}

BufferFill Trunk::fill() const {
  if (!started()) return {};
  if (!buffer_) return {.held = held_, .size = ring_->shape().payload_bytes()};
  BufferFill fill{.held = held_, .size = buffer_->shape().payload_bytes()};
  for (const auto piece : in_ring_) fill.held -= piece->slot->filled().size();
  return fill;
}

Branch::Branch(Trunk& trunk, bool copies) : trunk_(trunk), copies_(copies), next_(trunk.pieces_.end()) {
  assert(!trunk.started());  // from the stream's first byte on
  trunk.branches_.push_back(this);
}

Branch::~Branch() {
  std::erase(trunk_.branches_, this);
  if (is_level()) return;
  --next_->takers;
  trunk_.join_hole(next_);
  trunk_.drop_taken();
}

void Branch::start(Loop& /*loop*/, Ring& ring, std::size_t /*max_payload*/) { ring_ = &ring; }

bool Branch::has_more() const {
  if (is_level()) return trunk_.ended_;
  return next_->hole > 0 || has_slot();
}

std::optional<SourceEvent> Branch::poll(bool urgent) {
  if (!trunk_.started()) return {};
  if (is_level() && !trunk_.read(urgent) && !trunk_.ended_) return {};
  if (is_level()) return SourceEnd{};  // read() has met it
  if (next_->hole > 0) return give({});
  if (!has_slot()) return {};
  return give(std::move(*ring_->acquire()));
}

SourceEvent Branch::give(Slot carrier) {
  const std::uint64_t hole = next_->hole;
  if (hole == 0) {
    carrier.borrow(*next_->slot);
    if (copies_ && !trunk_.is_in_ring(*next_)) carrier.own();
  }
  advance();
  if (hole > 0) return Hole{hole};
  return Filled{std::move(carrier)};
}

void Branch::advance() {
  const auto left = next_++;
  --left->takers;
  if (!is_level()) ++next_->takers;
  trunk_.join_hole(left);
  trunk_.drop_taken();
}

}  // namespace rdpipe
