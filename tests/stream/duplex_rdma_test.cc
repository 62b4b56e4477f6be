// A stream in each direction over a real RDMA device: tests/rdma/on-one-host runs it.
#include "stream/duplex_cases.h"
#include "transport/rdma_links.h"

using namespace rdpipe;

namespace {

LinkMaker rdma() {
  return [](Loop& a, Loop& b) -> Links {
    const auto acceptor = listen_rdma(b, "0", {});
    const auto dial = dial_rdma(a, {host(), std::to_string(acceptor->port())}, {});
    return meet(a, *dial, b, *acceptor);
  };
}

}  // namespace

TEST_CASE("duplex over RDMA: 100000 messages each way at once") {
  talks_both_ways_at_once(rdma(), {}, 100000);
}
TEST_CASE("duplex over RDMA: the smallest rings") {
  talks_both_ways_at_once(rdma(), {.shape = {4_KiB, Duplex::kLeastSlots}}, 3000);
}
TEST_CASE("duplex over RDMA: sealed") { talks_both_ways_at_once(rdma(), {.seal = Choice::kYes}, 3000); }
TEST_CASE("duplex over RDMA: echo") { echoes(rdma(), {}, 2000); }
TEST_CASE("duplex over RDMA: echo, sleeping") { echoes(rdma(), {.busy_poll = Nanoseconds(0)}, 2000); }
TEST_CASE("duplex over RDMA: echo, spinning") {
  echoes(rdma(), {.busy_poll = std::chrono::microseconds(200)}, 2000);
}
TEST_CASE("duplex over RDMA: a slow reader") { waits_for_a_slow_reader(rdma()); }
TEST_CASE("duplex over RDMA: every call past its deadline") { is_good_after_every_missed_deadline(rdma()); }
TEST_CASE("duplex over RDMA: slots are handed out") { hands_out_slots(rdma()); }
TEST_CASE("duplex over RDMA: a peer that vanishes between write and sync") {
  notices_a_peer_that_vanishes_before_sync(rdma());
}
TEST_CASE("duplex over RDMA: calls that do not wait move everything") { moves_without_ever_waiting(rdma()); }
TEST_CASE("duplex over RDMA: calls that do not wait notice that the peer is gone") {
  notices_a_lost_peer_without_waiting(rdma());
}
TEST_CASE("duplex over RDMA: waiting for both tells of both") { tells_all_that_is_possible(rdma()); }
TEST_CASE("duplex over RDMA: one way, spinning, to a slower reader") {
  keeps_pace_with_a_slower_reader(rdma());
}
TEST_CASE("duplex over RDMA: what comes behind the end") { ignores_what_comes_behind_the_end(rdma()); }
TEST_CASE("duplex over RDMA: close tells of the peer's failure") { does_not_close_over_a_failure(rdma()); }
