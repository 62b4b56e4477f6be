// The rings of a connection, as large as the limits on pinned memory allow.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/loop.h"
#include "ring/ring.h"
#include "transport/link.h"

namespace rdpipe {

// A ring that `link` can reach: as asked for, or as large as it may be, with a notice, and of `least_slots`
// at least. Throws Error{kMemory}. Thread of the link's loop.
[[nodiscard]] std::unique_ptr<Ring> attach_ring(Link& link, RingShape shape,
                                                const std::function<void(const std::string&)>& notice,
                                                std::size_t least_slots = 2);
// The same, of `count` rings, which all have one shape.
[[nodiscard]] std::vector<std::unique_ptr<Ring>> attach_rings(
    Link& link, RingShape shape, std::size_t count, const std::function<void(const std::string&)>& notice,
    std::size_t least_slots = 2);

// The same, of one ring that all of `links` can reach.
[[nodiscard]] std::unique_ptr<Ring> attach_shared_ring(const std::vector<Link*>& links, RingShape shape,
                                                       const std::function<void(const std::string&)>& notice);

// A ring that links and io_uring can reach, for as long as any of them may. What a link has pinned is not
// pinned for io_uring again: the kernel would count it twice, and 8 MiB are all that most users may lock.
class AttachedRing {
 public:
  AttachedRing(Loop& loop, const std::vector<Link*>& links, RingShape shape,
               const std::function<void(const std::string&)>& notice);
  AttachedRing(const AttachedRing&) = delete;
  AttachedRing& operator=(const AttachedRing&) = delete;
  ~AttachedRing() { static_cast<void>(loop_.register_memory({})); }
  Ring& operator*() const { return *ring_; }

 private:
  Loop& loop_;
  std::unique_ptr<Ring> ring_;
};

}  // namespace rdpipe
