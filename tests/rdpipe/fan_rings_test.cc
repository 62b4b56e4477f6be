// The sizes of rings where a stream has more than one way to go.
#include "rdpipe/fan_rings.h"
#include "catch.h"
#include "ground/units.h"
#include "rdpipe/next_link.h"

using namespace rdpipe;

TEST_CASE("fan rings: a large ring of small slots has no more of them than a ring may have") {
  Options options;
  options.ring_size = 1_GiB;
  for (const Fabric fabric : {Fabric::kTcp, Fabric::kRdma}) {
    CHECK(ring_of_one(options, fabric, 4_KiB) == RingShape{4_KiB, 65536});
    CHECK(ring_of_all(options, fabric, 4_KiB, 3) == RingShape{4_KiB, 65536});
  }
}

TEST_CASE("fan rings: the usual ring grows with the receivers, one of a given size does not") {
  Options options;
  CHECK(ring_of_all(options, Fabric::kTcp, SIZE_MAX, 100).slots > 400);
  CHECK(share_of_each(ring_of_all(options, Fabric::kTcp, SIZE_MAX, 100), 100) >= 4);
  options.ring_size = 4_MiB;
  CHECK(ring_of_all(options, Fabric::kTcp, SIZE_MAX, 100).payload_bytes() == 4_MiB);
  CHECK(share_of_each({256_KiB, 2}, 3) == 1);
}

TEST_CASE("fan rings: payloads fit where they are copied to, and headers take little") {
  CHECK(ring_of_headers(256_KiB, true).slot_size == 256_KiB);
  CHECK(ring_of_headers(256_KiB, false).payload_bytes() < 64_KiB);
  CHECK(carrier_shape({16_KiB, 65535}, true) == RingShape{16_KiB, 65536});
  CHECK(carrier_shape({16_KiB, 65535}, false).payload_bytes() < 2_MiB);
  CHECK(carrier_shape({16_KiB, 4}, false).slots == 5);
}
