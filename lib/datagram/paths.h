// The address handles that an endpoint has: made on first use, kept up to a bound, and let go only when no
// send that names them is under way. Sends are known by their numbers, which grow. Belongs to one thread.
//
// Making one may take the kernel a second, where it has to look for the neighbour, and a stranger can have it
// look for anybody: an answer goes to the source that a datagram names. So workers make them, as the verbs
// allow, and who sends waits a little for a peer's first, but for no more than a tenth of the time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "datagram/address.h"
#include "datagram/lru.h"
#include "ground/deadline.h"
#include "io/wakeup.h"
#include "io/workers.h"
#include "verbs/address_handle.h"

namespace rdpipe {

class PathCache {
 public:
  // AddressHandle::make, on any thread.
  using Make = std::function<std::optional<AddressHandle>(const DatagramPath&)>;

  PathCache(Make make, std::size_t limit);
  PathCache(const PathCache&) = delete;
  PathCache& operator=(const PathCache&) = delete;
  ~PathCache();  // waits for the kernel

  // For the send of this number; good until release() is told that it is over. Null where the path leads
  // nowhere, which is tried again a second later, then two, and so on, and where that is not known yet.
  [[nodiscard]] ibv_ah* find(const DatagramPath& path, std::uint64_t send);
  // All sends below this number are over.
  void release(std::uint64_t below);

  [[nodiscard]] std::size_t size() const noexcept { return known_.size(); }

 private:
  struct Known {
    std::optional<AddressHandle> handle;
    std::uint64_t last_send = 0;
    // Where there is no handle:
    Deadline retry = Deadline::never();
    Nanoseconds pause{0};
  };
  struct Making {
    explicit Making(const DatagramPath& to) : path(to) {}
    DatagramPath path;
    std::shared_ptr<Job> job = std::make_shared<Job>();
    std::optional<AddressHandle> made;
  };
  [[nodiscard]] bool is_under_way(const DatagramPath& path) const;
  void begin(const DatagramPath& path);
  void wait_for(const DatagramPath& path);
  void learn(Deadline deadline);  // of what is finished; sleeps until something is
  void keep(const DatagramPath& path, std::optional<AddressHandle> made);

  Make make_;
  LruMap<DatagramPath, Known, HashOfPath> known_;
  std::deque<Known> put_out_;  // still in use
  std::list<Making> under_way_;
  Deadline wait_again_ = Deadline::now();  // not before, after a wait in vain
  std::shared_ptr<Wakeup> finished_ = std::make_shared<Wakeup>();
  Workers workers_;
};

}  // namespace rdpipe
