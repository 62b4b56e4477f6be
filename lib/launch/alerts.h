// Several descriptors as one, for Loop::interrupt_on(): while a connection is busy with its own, what else
// becomes readable is still taken at once. Belongs to one thread.
#pragma once

#include <functional>
#include <vector>

#include "ground/descriptor.h"

namespace rdpipe {

class Alerts {
 public:
  Alerts();

  // While `fd` is readable or its other end is gone, `take` is called, which takes what is there; false: not
  // to be called again. `fd` stays open as long as it is listened to. False where `fd` cannot be waited for.
  bool add(int fd, std::function<bool()> take);
  void remove(int fd);
  [[nodiscard]] int fd() const noexcept { return epoll_.get(); }
  void take();  // calls those that are due; throws what they throw

 private:
  struct Entry {
    int fd;
    std::function<bool()> take;
  };
  Descriptor epoll_;
  std::vector<Entry> entries_;
};

}  // namespace rdpipe
