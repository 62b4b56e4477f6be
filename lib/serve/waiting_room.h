// Clients that have shown their key and are not served yet: what each asks for is read and judged, then they
// stand in line: first come, first served, but for those whose key has its share already, whom others pass.
// What happens to one ends that one and nobody else. One thread, that of the loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "ground/deadline.h"
#include "ground/error.h"
#include "io/loop.h"
#include "serve/places.h"
#include "session/reports.h"
#include "session/session.h"

namespace rdpipe {

// A request that is granted as soon as there is room for it.
struct Admission {
  std::size_t memory = 0;  // what it takes of the server's, bytes
  std::function<void(std::unique_ptr<Session>)> enter{};
};

class WaitingRoom {
 public:
  // Whether a client may have what it asks for: throws the Error that it is refused with.
  using Judge = std::function<Admission(const Session& session, const std::vector<std::string>& words)>;
  // `places` are the server's: Admission::enter takes one. `report` hears a line for each client that was
  // refused, or lost, as many as Reports lets through.
  WaitingRoom(Loop& loop, const Places& places, Judge judge, std::function<void(const std::string&)> report);
  ~WaitingRoom();

  void add(std::unique_ptr<Session> session);
  // Takes what has happened; wakes the loop when more is to be done.
  void poll();
  // Lets the first in line enter, of those whose key has not its share already, unless there is no room.
  // False: nobody enters now.
  [[nodiscard]] bool admit_next();
  // Of those in line, refuses those that did not come to wait and have stood there for some seconds, and
  // tells the others how many enter before them.
  void settle();
  // Refuses everybody who is here, or those of whom `is_meant` says so.
  void close(const Error& why);
  void refuse_those(const std::function<bool(const Session& session)>& is_meant, const Error& why);
  // Tells a client that is served no more why not, and lets it go.
  void dismiss(std::unique_ptr<Session> session, const Error& why);
  [[nodiscard]] std::size_t waiting() const;  // in line
  [[nodiscard]] bool empty() const { return guests_.empty(); }

 private:
  struct Guest;
  using Guests = std::list<Guest>;
  [[nodiscard]] bool advance(Guest& guest);  // false: it has gone
  void take_events(Guest& guest);
  void take_messages(Guest& guest);
  void require_moderation(const Session& session) const;
  void judge(Guest& guest);
  void refuse(Guest& guest, const Error& why);
  void admit(Guests::iterator which);
  void tell(Guest& guest, std::size_t ahead);
  [[nodiscard]] Error busy(const std::string& key) const;
  void report(const Session& session, const std::string& why);

  Loop& loop_;
  const Places& places_;
  Judge judge_;
  Reports reports_;
  Guests guests_;  // in order of arrival
};

}  // namespace rdpipe
