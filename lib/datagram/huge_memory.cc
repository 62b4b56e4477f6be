#include "datagram/huge_memory.h"

#include <sys/mman.h>

#include "ground/error.h"
#include "ground/units.h"

namespace rdpipe {
namespace {

constexpr std::size_t kHugePage = 2_MiB;

void* map(std::size_t bytes, int flags) {
  return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

}  // namespace

HugeMemory::HugeMemory(std::size_t bytes) : mapped_(round_up(bytes, kHugePage)) {
  void* memory = map(mapped_, MAP_HUGETLB);
  if (memory == MAP_FAILED) {
    mapped_ = round_up(bytes, kPageSize);
    memory = map(mapped_, 0);
    check(memory == MAP_FAILED ? -1 : 0, Status::kMemory, "reserve " + format_size(mapped_));
    ::madvise(memory, mapped_, MADV_HUGEPAGE);  // the kernel may still find some
  }
  bytes_ = {static_cast<std::byte*>(memory), bytes};
}

HugeMemory::~HugeMemory() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), mapped_);
}

}  // namespace rdpipe
