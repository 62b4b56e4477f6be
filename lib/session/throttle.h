// How often somebody may try a key: by address, since whoever tries many has few of these. No clock of its
// own; one thread's at a time.
#pragma once

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "ground/deadline.h"

namespace rdpipe {

// What tells those apart who try keys: of LinkInfo::peer ("10.0.0.1:12345", "[fe80::1%eth0]:12345") the
// address without the port, and of IPv6 the network, the first 64 bits (with its zone), since all in it may
// be one's. Of anything else, what is in front of the last colon.
[[nodiscard]] std::string source_of(std::string_view peer);

// A bucket for each source: a wrong key costs one, two a second come back. What is owed beyond it is bounded,
// so that somebody with the right key behind the same address never waits longer than kLongestWait. Tries
// that are under way when the first of them fails are not slowed down: as many as a listener has strangers at
// once.
class Throttle {
 public:
  static constexpr int kBurst = 10;  // wrong keys in a row before anybody has to wait
  static constexpr Nanoseconds kRefill = std::chrono::milliseconds(500);  // for one
  static constexpr int kMostOwed = 8;
  static constexpr Nanoseconds kLongestWait = kMostOwed * kRefill;
  static constexpr std::size_t kSources = 1024;  // the one that was charged longest ago is forgotten

  Throttle() = default;
  Throttle(const Throttle&) = delete;
  Throttle& operator=(const Throttle&) = delete;

  // `source` has shown a wrong key.
  void charge(const std::string& source, Clock::time_point now);
  // From when on it may try another; passed, where it need not wait.
  [[nodiscard]] Deadline answers(const std::string& source) const;
  [[nodiscard]] std::size_t sources() const noexcept { return sources_.size(); }

 private:
  struct Source {
    std::string name;
    Clock::time_point full;  // when its bucket will be
  };
  std::list<Source> sources_;  // the one that was charged last first
  std::unordered_map<std::string_view, std::list<Source>::iterator> by_name_;  // views of their names
};

}  // namespace rdpipe
