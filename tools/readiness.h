// Tells a supervisor how far the server is, where one has started it: the protocol of sd_notify(3), one
// datagram a message to the socket that $NOTIFY_SOCKET names. Nothing fails: who does not listen hears
// nothing. One thread.
#pragma once

#include <string>

namespace rdpipe::tools {

class Readiness {
 public:
  // Takes the variable out of the environment, so that no child speaks for this process. Before there are
  // threads.
  Readiness();

  // Serving, for the first time or after reloading(); `status` is one line for people.
  void ready(const std::string& status) const;
  void reloading() const;
  void stopping() const;

 private:
  void tell(const std::string& message) const;

  std::string address_;  // a path, '@' and an abstract name, or empty
};

}  // namespace rdpipe::tools
