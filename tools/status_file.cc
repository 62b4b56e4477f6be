#include "status_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>

#include "open_descriptor.h"
#include "report.h"

namespace rdpipe::tools {
namespace {

std::uint64_t whole(double rate) { return static_cast<std::uint64_t>(std::llround(rate)); }

const char* name_of(ServerState state) {
  return state == ServerState::kRunning    ? "running"
         : state == ServerState::kStopping ? "stopping"
                                           : "stopped";
}

std::string json_of(const ServerStatus& status) {
  const nlohmann::ordered_json object = {{"time", utc_now()},
                                         {"state", name_of(status.state)},
                                         {"clients", status.clients},
                                         {"waiting", status.waiting},
                                         {"transfers", status.transfers},
                                         {"failures", status.failures},
                                         {"bytes", status.bytes},
                                         {"rate_10s", whole(status.rate_10s)},
                                         {"rate_1min", whole(status.rate_1min)},
                                         {"rate_5min", whole(status.rate_5min)}};
  return object.dump() + "\n";
}

bool write_all(int fd, const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const auto count = ::write(fd, text.data() + done, text.size() - done);
    if (count == -1 && errno == EINTR) continue;
    if (count == -1) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

// False, with errno, where the old file is still there. Not synced: after a crash nobody asks how it was.
bool replace_file(const std::string& path, const std::string& text) {
  std::string temporary = path + ".XXXXXX";
  const OpenDescriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() == -1) return false;
  constexpr mode_t kForAll = S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;
  if (::fchmod(file.get(), kForAll) == 0 && write_all(file.get(), text) &&
      ::rename(temporary.c_str(), path.c_str()) == 0) {
    return true;
  }
  const int error = errno;
  ::unlink(temporary.c_str());
  errno = error;
  return false;
}

}  // namespace

void StatusFile::write(const ServerStatus& status) {
  const bool failed = !replace_file(path_, json_of(status));
  const int error = errno;
  if (failed && !has_failed_)
    failed_(fmt::format("write the status file '{}': {}", path_, ::strerror(error)));
  has_failed_ = failed;
}

std::string status_text(const ServerStatus& status) {
  const auto rate = [](double bytes_per_second) { return rate_text(bytes_per_second, 1); };
  return fmt::format(
      "{}{} client{}, {} waiting, {} transfer{} ({} failed), {} over 10 s, {} over 1 min, {} over 5 min",
      status.state == ServerState::kRunning ? "" : fmt::format("{}: ", name_of(status.state)), status.clients,
      status.clients == 1 ? "" : "s", status.waiting, status.transfers, status.transfers == 1 ? "" : "s",
      status.failures, rate(status.rate_10s), rate(status.rate_1min), rate(status.rate_5min));
}

}  // namespace rdpipe::tools
