// The terms that follow from two offers.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "session/session.h"

namespace rdpipe {
namespace {

constexpr auto kAttempt = "agree on a transfer";

void require_same_conversation(const Offer& mine, const Offer& theirs) {
  if (mine.transcript != theirs.transcript) {
    throw Error(Status::kProtocol, kAttempt, "the greeting was tampered with on the way");
  }
  if (mine.fabric != theirs.fabric) {
    throw Error(Status::kProtocol, kAttempt,
                "the two ends see different fabrics: somebody stands between them");
  }
}

void require_matching_roles(const Offer& mine, const Offer& theirs) {
  if (mine.role == Role::kSends && theirs.role == Role::kSends) {
    throw Error(Status::kProtocol, kAttempt, "both ends send", "one of the two must receive");
  }
  if (mine.role == Role::kReceives && theirs.role == Role::kReceives) {
    throw Error(Status::kProtocol, kAttempt, "both ends receive", "one of the two must send");
  }
  const auto is_sound = [](const Offer& offer) {
    return (offer.role == Role::kBoth) == (offer.content == Content::kDuplex);
  };
  if (!is_sound(mine) || !is_sound(theirs)) {
    throw Error(Status::kProtocol, kAttempt, "one end wants both directions and the other only one");
  }
}

void require_same_content(const Offer& mine, const Offer& theirs) {
  if (mine.content == theirs.content) return;
  constexpr std::array kNames = {"a stream", "a tree", "a stream in each direction"};
  const auto name_of = [&](Content content) { return kNames.at(static_cast<std::size_t>(content)); };
  throw Error(Status::kProtocol, kAttempt,
              fmt::format("this end wants {}, the other {}", name_of(mine.content), name_of(theirs.content)));
}

bool agree_on_sealing(const Offer& mine, const Offer& theirs, const std::string& peer) {
  const auto one_wants = [&](Choice choice) { return mine.seal == choice || theirs.seal == choice; };
  if (one_wants(Choice::kYes) && one_wants(Choice::kNo)) {
    const bool i_want = mine.seal == Choice::kYes;
    throw Error(Status::kUsage, kAttempt,
                fmt::format("this end insists on {}, {} on {}", i_want ? "--encrypt" : "--no-encrypt", peer,
                            i_want ? "--no-encrypt" : "--encrypt"),
                "give both ends the same, or one of them neither");
  }
  if (one_wants(Choice::kYes)) return true;
  if (one_wants(Choice::kNo)) return false;
  // Relays at both ends make two hosts look like one, but do not give them one name.
  const bool one_host = mine.same_host && theirs.same_host && mine.host == theirs.host;
  return mine.fabric == static_cast<std::uint8_t>(Fabric::kTcp) && !one_host;
}

std::size_t agree_on_slot_size(const Offer& mine, const Offer& theirs) {
  const std::size_t least = std::min(mine.slot_size, theirs.slot_size);
  const std::size_t size = least / kPageSize * kPageSize;
  if (size < kPageSize || size > kMaxDataPayload) {
    throw Error(Status::kProtocol, kAttempt, fmt::format("slots of {} bytes are none", least));
  }
  return size;
}

}  // namespace

Terms agree(const Offer& mine, const Offer& theirs) {
  require_same_conversation(mine, theirs);
  require_same_content(mine, theirs);
  require_matching_roles(mine, theirs);
  Terms terms;
  terms.peer_host = printable(theirs.host, 64);
  if (terms.peer_host.empty()) terms.peer_host = "the other end";
  terms.slot_size = agree_on_slot_size(mine, theirs);
  terms.digest = mine.digest != Choice::kNo && theirs.digest != Choice::kNo;
  terms.content = mine.content;
  terms.sealed = agree_on_sealing(mine, theirs, terms.peer_host);
  if (terms.content != Content::kDuplex) {
    terms.compressions = mine.compressions & theirs.compressions & kCompressionFlags;
  }
  terms.size = mine.role == Role::kSends ? mine.size : theirs.size;
  return terms;
}

}  // namespace rdpipe
