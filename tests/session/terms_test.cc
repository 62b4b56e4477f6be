// What two offers make of each other.
#include "catch.h"
#include "error_of.h"
#include "session/strangers.h"

using namespace rdpipe;

TEST_CASE("an offer and its counterpart make the same terms at both ends") {
  Offer sender = offer(Role::kSends);
  sender.size = 77;
  sender.host = "db1\n";
  Offer receiver = offer(Role::kReceives);
  receiver.slot_size = 100'000;
  const Terms here = agree(sender, receiver), there = agree(receiver, sender);
  CHECK(here.slot_size == 98'304);  // whole pages
  CHECK(there.slot_size == here.slot_size);
  CHECK(here.digest);
  CHECK(there.size == 77U);
  CHECK(there.peer_host == "db1?");
  receiver.digest = Choice::kNo;
  CHECK_FALSE(agree(sender, receiver).digest);
}

TEST_CASE("sealing is on over TCP to another host, and wherever one end asks for it") {
  Offer mine = offer(Role::kSends), theirs = offer(Role::kReceives);
  mine.fabric = theirs.fabric = static_cast<std::uint8_t>(Fabric::kTcp);
  CHECK(agree(mine, theirs).sealed);
  mine.same_host = true;
  CHECK(agree(mine, theirs).sealed);  // only one end thinks so
  theirs.same_host = true;
  CHECK_FALSE(agree(mine, theirs).sealed);
  theirs.host = "db2";
  CHECK(agree(mine, theirs).sealed);  // relays at both ends
  theirs.host = mine.host;
  theirs.seal = Choice::kYes;
  CHECK(agree(mine, theirs).sealed);
  mine.seal = Choice::kNo;
  CHECK(error_of([&] { (void)agree(mine, theirs); }).status() == Status::kUsage);
  theirs.seal = Choice::kAuto;
  CHECK_FALSE(agree(mine, theirs).sealed);
  mine.fabric = theirs.fabric = static_cast<std::uint8_t>(Fabric::kRdma);
  mine.seal = Choice::kAuto;
  mine.same_host = theirs.same_host = false;
  CHECK_FALSE(agree(mine, theirs).sealed);
}

TEST_CASE("frames are compressed with what both ends know, and not where one knows of nothing") {
  Offer sender = offer(Role::kSends), receiver = offer(Role::kReceives);
  sender.compressions = kFlagZstd;
  CHECK(agree(sender, receiver).compressions == 0);
  receiver.compressions = kFlagZstd | kFlagLz4;
  CHECK(agree(sender, receiver).compressions == kFlagZstd);
  CHECK(agree(receiver, sender).compressions == kFlagZstd);
  sender.compressions = receiver.compressions = 0xFF;  // of a later version
  CHECK(agree(sender, receiver).compressions == kCompressionFlags);
  sender.role = receiver.role = Role::kBoth;
  sender.content = receiver.content = Content::kDuplex;
  CHECK(agree(sender, receiver).compressions == 0);
}

TEST_CASE("ends that cannot agree say why") {
  const auto cause = [](const Offer& mine, const Offer& theirs) {
    const Error error = error_of([&] { (void)agree(mine, theirs); });
    CHECK(error.status() == Status::kProtocol);
    return error.cause();
  };
  CHECK(cause(offer(Role::kSends), offer(Role::kSends)) == "both ends send");
  CHECK(cause(offer(Role::kReceives), offer(Role::kReceives)) == "both ends receive");
  Offer other = offer(Role::kReceives);
  other.transcript[3] = std::byte{1};
  CHECK_THAT(cause(offer(Role::kSends), other), Catch::Contains("tampered"));
  other = offer(Role::kReceives);
  other.fabric = 1;
  CHECK_THAT(cause(offer(Role::kSends), other), Catch::Contains("fabrics"));
  other = offer(Role::kReceives);
  other.slot_size = 4095;
  CHECK_THAT(cause(offer(Role::kSends), other), Catch::Contains("4095"));
}

TEST_CASE("a stream in each direction is what both ends want, or none") {
  Offer both = offer(Role::kBoth);
  both.content = Content::kDuplex;
  CHECK(agree(both, both).content == Content::kDuplex);
  const auto cause = [](const Offer& mine, const Offer& theirs) {
    return error_of([&] { (void)agree(mine, theirs); }).cause();
  };
  CHECK_THAT(cause(both, offer(Role::kReceives)), Catch::Contains("a stream in each direction"));
  CHECK_THAT(cause(both, offer(Role::kBoth)), Catch::Contains("a stream in each direction"));
  Offer half = offer(Role::kSends);
  half.content = Content::kDuplex;
  CHECK_THAT(cause(both, half), Catch::Contains("only one"));
  CHECK_THAT(cause(offer(Role::kBoth), offer(Role::kBoth)), Catch::Contains("only one"));
}
