#include "check/host.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdlib>

#include "check/sysfs.h"
#include "ground/descriptor.h"
#include "ground/error.h"
#include "ground/units.h"
#include "io/loop.h"

namespace rdpipe {
namespace {

namespace fs = std::filesystem;

// "Name:\tvalue" of /proc/self/status; empty for a name that is not there.
std::string status_value(const KernelRoots& roots, const std::string& name) {
  std::ifstream file(fs::path(roots.proc) / "self/status");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name + ":")) continue;
    return line.substr(std::min(line.size(), line.find_first_not_of(" \t", name.size() + 1)));
  }
  return {};
}

const char* const kRaiseLimit =
    "`ulimit -l unlimited` (as root), '* - memlock unlimited' in /etc/security/limits.conf and a new login, "
    "LimitMEMLOCK=infinity in a systemd unit, or --ulimit memlock=-1 for a container";

bool fits(const LockedMemory& memory, std::size_t bytes, const std::optional<int>& tried) {
  if (tried) return *tried == 0;
  return memory.exempt || !memory.limit || bytes <= *memory.limit;
}

}  // namespace

Finding check_rdma_cm(const KernelRoots& roots) {
  const fs::path node = fs::path(roots.dev) / "infiniband/rdma_cm";
  const auto fails = [&](std::string text, std::string remedy) {
    return bad(Status::kEndpoint, "rdma_cm", "", std::move(text), std::move(remedy));
  };
  if (!is_there(fs::path(roots.sys) / "class/misc/rdma_cm")) {
    return fails("the kernel's RDMA connection manager is not there for programs",
                 "load its module: modprobe rdma_ucm");
  }
  const Descriptor opened(::open(node.c_str(), O_RDWR | O_CLOEXEC));
  const int error = opened ? 0 : errno;
  if (error == 0) return good("rdma_cm", "", "/dev/infiniband/rdma_cm can be opened");
  if (error == EACCES || error == EPERM) {
    return fails("/dev/infiniband/rdma_cm may not be opened by this user",
                 "chmod 666 /dev/infiniband/rdma_cm, or have udev do it (rdma-core's rules); in a container "
                 "let it use the device (--device=/dev/infiniband/rdma_cm)");
  }
  return fails("/dev/infiniband/rdma_cm: " + errno_text(error),
               "is udev running? In a container, hand it in (--device=/dev/infiniband/rdma_cm)");
}

LockedMemory read_locked_memory(const KernelRoots& roots) {
  constexpr unsigned kCapIpcLock = 14;
  LockedMemory memory;
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    memory.limit = limit.rlim_cur;
  const std::uint64_t capabilities = std::strtoull(status_value(roots, "CapEff").c_str(), nullptr, 16);
  memory.exempt = ((capabilities >> kCapIpcLock) & 1) != 0;
  return memory;
}

Finding judge_locked_memory(const LockedMemory& memory) {
  std::string text = memory.limit ? "the limit is " + format_size(*memory.limit) : "no limit";
  if (memory.limit && memory.exempt) text += ", but not for this user (CAP_IPC_LOCK)";
  text += fmt::format("; a connection over RDMA pins {}", format_size(memory.wanted));
  if (!fits(memory, memory.least, memory.least_error)) {
    text += fmt::format(", {} at the least", format_size(memory.least));
    if (memory.least_error) text += ": " + errno_text(*memory.least_error);
    return bad(Status::kMemory, "memlock", "", text, kRaiseLimit);
  }
  if (!fits(memory, memory.wanted, memory.wanted_error)) {
    return doubtful("memlock", "", text + ": its ring will be smaller, and slower", kRaiseLimit);
  }
  return good("memlock", "", text);
}

UringUse try_uring(const KernelRoots& roots) {
  UringUse use;
  use.allowed = Loop().uses_uring();
  use.disabled = read_line(fs::path(roots.proc) / "sys/kernel/io_uring_disabled");
  use.has_filter = status_value(roots, "Seccomp") == "2";
  return use;
}

Finding judge_uring(const UringUse& use) {
  if (use.allowed) return good("io_uring", "", "allowed");
  const auto forbidden = [](const std::string& why, std::string remedy) {
    return doubtful("io_uring", "", "not allowed: " + why + "; files then go by threads, slower",
                    std::move(remedy));
  };
  if (use.disabled == "1" || use.disabled == "2") {
    return forbidden("kernel.io_uring_disabled is " + use.disabled, "sysctl kernel.io_uring_disabled=0");
  }
  if (use.has_filter) {
    return forbidden("a seccomp filter forbids it",
                     "let the container's seccomp profile allow io_uring_setup, io_uring_enter and "
                     "io_uring_register");
  }
  return forbidden("the kernel has it not, or too little memory may be locked",
                   "Linux 5.13 or newer has all it takes; the limit is that of memlock");
}

}  // namespace rdpipe
