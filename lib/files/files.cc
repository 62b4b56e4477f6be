#include "files/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "files/file_sink.h"
#include "files/file_source.h"
#include "files/stream_file.h"
#include "files/target.h"
#include "ground/error.h"
#include "stream/pipes.h"

namespace rdpipe {
namespace {

bool is_seekable_kind(mode_t mode) { return S_ISREG(mode) || S_ISBLK(mode); }

// What kind of thing `fd` is, which must not be open for `wrong_mode` only.
mode_t kind_of(int fd, int wrong_mode, const std::string& attempt) {
  struct stat status {};
  const int flags = check(::fcntl(fd, F_GETFL), Status::kEndpoint, attempt);
  if ((flags & O_ACCMODE) == wrong_mode) throw_errno(EBADF, Status::kEndpoint, attempt);
  check(::fstat(fd, &status), Status::kEndpoint, attempt);
  if (S_ISDIR(status.st_mode)) throw_errno(EISDIR, Status::kEndpoint, attempt);
  return status.st_mode;
}

}  // namespace

std::unique_ptr<Source> open_file_source(const std::string& path, const FileOptions& options) {
  const std::string name = fmt::format("'{}'", printable(path));
  const std::string attempt = "open " + name;
  struct stat status {};
  check(::stat(path.c_str(), &status), Status::kEndpoint, attempt);
  if (S_ISDIR(status.st_mode)) {
    throw Error(Status::kEndpoint, attempt, errno_text(EISDIR),
                fmt::format("send it with tar: tar -c {} | rdsend ...", name));
  }
  // A FIFO's open() would wait for a writer, deaf to signals.
  const bool is_fifo = S_ISFIFO(status.st_mode);
  const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | (is_fifo ? O_NONBLOCK : 0);
  Descriptor file(::open(path.c_str(), flags));
  check(file.get(), Status::kEndpoint, attempt);
  check(::fstat(file.get(), &status), Status::kEndpoint, attempt);
  if (S_ISDIR(status.st_mode)) throw_errno(EISDIR, Status::kEndpoint, attempt);
  if (!is_seekable_kind(status.st_mode)) return make_stream_source(std::move(file), is_fifo, name);
  const int fd = file.get();
  return std::make_unique<FileSource>(std::move(file), fd, 0, name, options);
}

std::unique_ptr<Source> open_descriptor_source(int fd, const std::string& name, const FileOptions& options) {
  const std::string attempt = "read " + name;
  if (!is_seekable_kind(kind_of(fd, O_WRONLY, attempt))) return make_pipe_source(fd, name);
  const auto begin = check_long(::lseek(fd, 0, SEEK_CUR), Status::kEndpoint, attempt);
  return std::make_unique<FileSource>(Descriptor(), fd, static_cast<std::uint64_t>(begin), name, options);
}

std::unique_ptr<Sink> open_file_sink(const std::string& path, const FileOptions& options) {
  Target target = examine_target(path, options);
  if (target.kind == TargetKind::kStream) return make_stream_sink(target.path, target.name);
  return std::make_unique<FileSink>(std::move(target), options);
}

std::unique_ptr<Sink> open_descriptor_sink(int fd, const std::string& name, const FileOptions& options) {
  if (!is_seekable_kind(kind_of(fd, O_RDONLY, "write " + name))) return make_pipe_sink(fd, name);
  return std::make_unique<FileSink>(fd, name, options);
}

}  // namespace rdpipe
