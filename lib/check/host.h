// What a host must let a user do for RDMA, and whether it does: load modules, open rdma_cm, pin memory, use
// io_uring. Each is looked at, or tried, on its own; the judgements are made of values alone. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "check/findings.h"

namespace rdpipe {

// The kernel's rdma_cm for programs (module rdma_ucm), and whether this user may open it.
[[nodiscard]] Finding check_rdma_cm(const KernelRoots& roots);

struct LockedMemory {
  std::optional<std::uint64_t> limit{};  // bytes; none: unlimited
  bool exempt = false;                   // CAP_IPC_LOCK: the limit is not for this process
  std::size_t least = 0;                 // what one RDMA connection pins without its ring, bytes
  std::size_t wanted = 0;                // ... and with the default ring
  std::optional<int> least_error = {};   // what came of trying: 0 or an errno value; none: nothing to try on
  std::optional<int> wanted_error = {};
};

// Of this process. Nothing is tried.
[[nodiscard]] LockedMemory read_locked_memory(const KernelRoots& roots);
[[nodiscard]] Finding judge_locked_memory(const LockedMemory& memory);

struct UringUse {
  bool allowed = false;     // tried
  std::string disabled{};   // the sysctl kernel.io_uring_disabled; empty where there is none
  bool has_filter = false;  // a seccomp filter judges this process's system calls
};

[[nodiscard]] UringUse try_uring(const KernelRoots& roots);
[[nodiscard]] Finding judge_uring(const UringUse& use);

}  // namespace rdpipe
