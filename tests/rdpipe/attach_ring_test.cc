// Rings where not all may be pinned that is asked for.
#include <algorithm>
#include <string>
#include <vector>

#include "catch.h"
#include "ground/error.h"
#include "ground/units.h"
#include "rdpipe/attach_ring.h"

using namespace rdpipe;

namespace {

// Does nothing but to pin memory, up to a limit.
class PinningLink final : public Link {
 public:
  explicit PinningLink(std::size_t limit) : limit_(limit) {}
  [[nodiscard]] std::size_t rings() const { return rings_.size(); }

  void attach(Ring& ring) override {
    std::size_t pinned = ring.shape().payload_bytes();
    for (const Ring* other : rings_) pinned += other->shape().payload_bytes();
    if (pinned > limit_) throw Error(Status::kMemory, "pin a ring", "Cannot allocate memory");
    rings_.push_back(&ring);
  }
  void detach(Ring& ring) override { std::erase(rings_, &ring); }

  void post_send(Slot /*slot*/) override {}
  void post_receive(Slot /*slot*/) override {}
  void post_control(std::span<const std::byte> /*bytes*/) override {}
  [[nodiscard]] std::size_t send_credits() const override { return 0; }
  [[nodiscard]] bool drained() const override { return true; }
  [[nodiscard]] std::optional<LinkEvent> poll() override { return {}; }
  [[nodiscard]] bool peer_closed() const override { return false; }
  void close() override {}
  void move_to(Loop& /*loop*/) override {}
  void set_keep_alive(Nanoseconds /*limit*/) override {}
  [[nodiscard]] const LinkInfo& info() const override { return info_; }

 private:
  std::size_t limit_;
  std::vector<const Ring*> rings_;
  LinkInfo info_;
};

constexpr RingShape kShape{128_KiB, 16};

}  // namespace

TEST_CASE("rings: two share what may be pinned") {
  PinningLink link(3_MiB);
  std::vector<std::string> notices;
  const auto rings = attach_rings(
      link, kShape, 2, [&](const std::string& line) { notices.push_back(line); }, 4);
  REQUIRE(rings.size() == 2);
  CHECK(rings.front()->shape() == rings.back()->shape());
  CHECK(rings.front()->shape().payload_bytes() == 1_MiB);
  CHECK(link.rings() == 2);
  CHECK(notices.size() == 1);
}

TEST_CASE("rings: two are not refused for what one of them has taken") {
  PinningLink link(kShape.payload_bytes());  // room for one as it was asked for
  const auto rings = attach_rings(
      link, kShape, 2, [](const std::string&) {}, 4);
  CHECK(rings.back()->shape().payload_bytes() == kShape.payload_bytes() / 2);
}

TEST_CASE("rings: none where not even the least may be pinned") {
  PinningLink link(8_KiB);
  CHECK_THROWS_AS(attach_rings(
                      link, kShape, 2, [](const std::string&) {}, 4),
                  Error);
  CHECK(link.rings() == 0);
}

TEST_CASE("rings: one that several links share is as large as the one with the least allows") {
  PinningLink large(3_MiB), small(1_MiB);
  std::vector<std::string> notices;
  const auto ring =
      attach_shared_ring({&large, &small}, kShape, [&](const std::string& line) { notices.push_back(line); });
  CHECK(ring->shape().payload_bytes() == 1_MiB);
  CHECK(large.rings() == 1);
  CHECK(small.rings() == 1);
  CHECK(notices.size() == 1);
  PinningLink none(4_KiB);
  CHECK_THROWS_AS(attach_shared_ring({&large, &none}, kShape, [](const std::string&) {}), Error);
  CHECK(large.rings() == 1);
}
