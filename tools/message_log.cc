#include "message_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
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

void require_other_file(int log, const struct stat& other) {
  struct stat own {};
  if (::fstat(log, &own) == -1 || !S_ISREG(own.st_mode)) return;
  if (own.st_dev != other.st_dev || own.st_ino != other.st_ino) return;
  throw Error(Status::kUsage, "option --log-file", "the data are in the same file");
}

}  // namespace

MessageLog::MessageLog(const std::string& path) : path_(path), file_(open_log(path)) {}

void MessageLog::require_apart(int fd) const {
  struct stat data {};
  if (::fstat(fd, &data) == 0) require_other_file(file_.get(), data);
}

void MessageLog::require_apart(const std::string& path) const {
  struct stat data {};
  if (::stat(path.c_str(), &data) == 0) require_other_file(file_.get(), data);
}

bool MessageLog::write(std::string line) {
  if (file_.get() == -1 || has_failed_) return true;
  hide_controls(line);
  line = fmt::format("{} {}\n", utc_now(), line);
  has_failed_ = ::write(file_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size());
  return !has_failed_;
}

}  // namespace rdpipe::tools
