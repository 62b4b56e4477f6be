// Clients that have shown their key and are not served yet: what each asks for is read and judged, then they
// stand in line, first come, first served. What happens to one ends that one and nobody else. One thread,
// that of the loop.
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
  // Hears why a client was refused, or lost.
  using Report = std::function<void(const Session& session, const std::string& why)>;
  WaitingRoom(Loop& loop, Judge judge, Report report);
  ~WaitingRoom();

  void add(std::unique_ptr<Session> session);
  // Takes what has happened; wakes the loop when more is to be done.
  void poll();
  // The first in line; null when there is none.
  [[nodiscard]] const Admission* first() const;
  void admit_first();
  // Of those in line, refuses all that did not come to wait, and tells the others where they stand.
  void settle(const Error& busy);
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
  void judge(Guest& guest);
  void refuse(Guest& guest, const Error& why);

  Loop& loop_;
  Judge judge_;
  Report report_;
  Guests guests_;  // in order of arrival
};

}  // namespace rdpipe
