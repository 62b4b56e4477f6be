#include "message_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <rdpipe/error.h>

#include "report.h"

namespace rdpipe::tools {
namespace {

// A FIFO that nobody reads must not be waited for.
int open_log(const std::string& path) {
  if (path.empty()) return -1;
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  const int fd = ::open(path.c_str(), kFlags, 0666);
  if (fd == -1) throw Error(Status::kEndpoint, fmt::format("log to '{}'", path), std::strerror(errno));
  return fd;
}

[[noreturn]] void refuse() {
  throw Error(Status::kUsage, "option --log-file", "the data are in the same file");
}

std::filesystem::path place_of(const std::string& path) {
  std::error_code unknown;  // then the place is empty, and what is opened tells more
  return std::filesystem::weakly_canonical(std::filesystem::absolute(path, unknown), unknown);
}

// Of one that is still to be made.
const std::string& elsewhere(const std::string& log, const std::optional<std::string>& data) {
  struct stat there {};
  if (!data || log.empty() || ::stat(log.c_str(), &there) == 0) return log;
  const auto place = place_of(log);
  if (!place.empty() && place == place_of(*data)) refuse();
  return log;
}

void require_other_file(int log, const struct stat& other) {
  struct stat own {};
  if (::fstat(log, &own) == -1 || !S_ISREG(own.st_mode)) return;
  if (own.st_dev == other.st_dev && own.st_ino == other.st_ino) refuse();
}

}  // namespace

MessageLog::MessageLog(const std::string& path, const std::optional<std::string>& data)
    : path_(elsewhere(path, data)), file_(open_log(path_)) {
  struct stat there {};
  if (data && ::stat(data->c_str(), &there) == 0) require_other_file(file_.get(), there);
}

void MessageLog::require_apart(int fd) const {
  struct stat data {};
  if (::fstat(fd, &data) == 0) require_other_file(file_.get(), data);
}

bool MessageLog::write(std::string line) {
  if (file_.get() == -1 || has_failed_) return true;
  hide_controls(line);
  line = fmt::format("{} {}\n", utc_now(), line);
  has_failed_ = ::write(file_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size());
  return !has_failed_;
}

}  // namespace rdpipe::tools
