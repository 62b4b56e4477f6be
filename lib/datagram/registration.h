// Names that this process has in a registry. An entry lives for 15 s and is renewed every 5, while somebody
// calls: what a process leaves there when it is killed goes by itself. Renewing goes on at a worker, so a
// registry that is slow, or away for a while, holds up nobody. Belongs to the thread of its loop.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "datagram/registry.h"
#include "ground/deadline.h"
#include "io/loop.h"

namespace rdpipe {

class __attribute__((visibility("default"))) Registration {
 public:
  // Throws as Registry does. `notice` hears, one line at a time, of renewals that failed.
  Registration(Loop& loop, const std::string& url, std::function<void(const std::string&)> notice);
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  ~Registration();  // takes the names away; where the registry does not answer, they expire

  // These sleep, and throw Error{kNetwork} where the registry does not answer. The entry's expiry is set
  // here.
  void add(const std::string& name, RegistryEntry entry);
  void remove(const std::string& name);

  // Begins what is due, and never sleeps. To be called by next(), and whenever the loop has slept.
  void renew();
  [[nodiscard]] Deadline next() const;

 private:
  struct Kept {
    RegistryEntry entry;
    Deadline renewal = Deadline::never();
  };
  void finish();  // sleeps until no renewal is under way
  void settle();  // of a renewal that is done

  Loop& loop_;
  std::function<void(const std::string&)> notice_;
  Registry registry_;
  std::map<std::string, Kept> names_;
  Operation renewal_;
};

}  // namespace rdpipe
