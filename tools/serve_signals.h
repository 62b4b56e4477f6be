// The signals of a server as something to wait for, blocked in this process from then on: SIGINT and SIGTERM
// stop it, SIGHUP has its keys read again, SIGUSR1 has it say how it is doing. Nothing hurries: how long the
// end may take is the server's affair. Made before there are threads, which inherit what is blocked.
#pragma once

namespace rdpipe::tools {

class ServeSignals {
 public:
  struct Taken {
    bool stop = false, reload = false, report = false;
  };

  ServeSignals();
  ServeSignals(const ServeSignals&) = delete;
  ServeSignals& operator=(const ServeSignals&) = delete;
  ~ServeSignals();  // they stay blocked

  [[nodiscard]] int fd() const noexcept { return fd_; }  // readable while a signal waits
  // What has come since; does not wait.
  [[nodiscard]] Taken take();

 private:
  int fd_ = -1;
};

}  // namespace rdpipe::tools
