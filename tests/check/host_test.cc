#include "check/host.h"

#include <unistd.h>

#include <cerrno>

#include "catch.h"
#include "check/kernel_tree.h"
#include "ground/units.h"
#include "io/loop.h"

using namespace rdpipe;

TEST_CASE("rdma_cm: no module, no node, and as it should be") {
  const KernelTree tree;
  CHECK(contains(check_rdma_cm(tree.roots()).remedy, "modprobe rdma_ucm"));
  tree.put("sys/class/misc/rdma_cm/dev", "10:124");
  const Finding no_node = check_rdma_cm(tree.roots());
  CHECK(no_node.status == Status::kEndpoint);
  CHECK(contains(no_node.text, "No such file"));
  tree.put("dev/infiniband/rdma_cm");
  CHECK(check_rdma_cm(tree.roots()).health == Health::kOk);
}

TEST_CASE("rdma_cm: a node that is another's") {
  if (::geteuid() == 0) return;  // who may open everything
  const KernelTree tree;
  tree.put("sys/class/misc/rdma_cm/dev", "10:124");
  tree.put("dev/infiniband/rdma_cm");
  std::filesystem::permissions(tree.roots().dev + "/infiniband/rdma_cm", std::filesystem::perms::none);
  const Finding finding = check_rdma_cm(tree.roots());
  CHECK(finding.health == Health::kFail);
  CHECK(contains(finding.remedy, "chmod 666"));
}

TEST_CASE("the limit on locked memory, by numbers where nothing can be tried") {
  LockedMemory memory{.limit = 8_MiB, .least = 40_KiB, .wanted = 5_MiB + 40_KiB};
  CHECK(judge_locked_memory(memory).health == Health::kOk);
  memory.limit = 1_MiB;
  const Finding small = judge_locked_memory(memory);
  CHECK(small.health == Health::kWarn);
  CHECK(contains(small.text, "the limit is 1 MiB"));
  CHECK(contains(small.remedy, "ulimit -l"));
  memory.limit = 16_KiB;
  const Finding tiny = judge_locked_memory(memory);
  CHECK(tiny.health == Health::kFail);
  CHECK(tiny.status == Status::kMemory);
  memory.exempt = true;
  CHECK(judge_locked_memory(memory).health == Health::kOk);
  memory = {.least = 40_KiB, .wanted = 5_MiB};
  CHECK(contains(judge_locked_memory(memory).text, "no limit"));
}

TEST_CASE("the limit on locked memory: what was tried outweighs the numbers") {
  LockedMemory memory{
      .limit = 64_MiB, .least = 40_KiB, .wanted = 5_MiB, .least_error = 0, .wanted_error = ENOMEM};
  CHECK(judge_locked_memory(memory).health == Health::kWarn);
  memory.least_error = ENOMEM;
  CHECK(judge_locked_memory(memory).health == Health::kFail);
  memory = {.limit = 4_KiB, .least = 40_KiB, .wanted = 5_MiB, .least_error = 0, .wanted_error = 0};
  CHECK(judge_locked_memory(memory).health == Health::kOk);
}

TEST_CASE("who is exempt from the limit on locked memory, by capability") {
  const KernelTree tree;
  CHECK_FALSE(read_locked_memory(tree.roots()).exempt);
  tree.put("proc/self/status", "Name:\tx\nCapEff:\t000001ffffffffff\nSeccomp:\t0");
  CHECK(read_locked_memory(tree.roots()).exempt);
  tree.put("proc/self/status", "Name:\tx\nCapEff:\t00000000a80425fb\nSeccomp:\t2");  // a container's
  CHECK_FALSE(read_locked_memory(tree.roots()).exempt);
}

TEST_CASE("io_uring: why it is not allowed") {
  CHECK(judge_uring({.allowed = true}).health == Health::kOk);
  const Finding disabled = judge_uring({.disabled = "2"});
  CHECK(disabled.health == Health::kWarn);
  CHECK(contains(disabled.remedy, "sysctl kernel.io_uring_disabled=0"));
  CHECK(contains(judge_uring({.disabled = "0", .has_filter = true}).remedy, "seccomp"));
  CHECK(contains(judge_uring({}).remedy, "Linux"));
}

TEST_CASE("io_uring: the surroundings are read, and it is tried") {
  const KernelTree tree;
  tree.put("proc/self/status", "Seccomp:\t2");
  tree.put("proc/sys/kernel/io_uring_disabled", "1");
  const UringUse use = try_uring(tree.roots());
  CHECK(use.allowed == Loop().uses_uring());
  CHECK(use.has_filter);
  CHECK(use.disabled == "1");
}
