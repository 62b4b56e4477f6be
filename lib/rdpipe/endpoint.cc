#include "rdpipe/endpoint.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "files/files.h"
#include "ground/error.h"
#include "stream/pipes.h"

namespace rdpipe {
namespace {

FileOptions file_options(const FileUse& use) {
  return {.direct = use.direct == Direct::kOn    ? DirectIo::kOn
                    : use.direct == Direct::kOff ? DirectIo::kOff
                                                 : DirectIo::kAuto,
          .fsync = use.fsync,
          .inplace = use.inplace};
}

// Whether `fd`, which must not be open for `wrong_mode` only, has a position to read and write at; otherwise
// it is a stream of bytes.
bool has_positions(int fd, int wrong_mode, const std::string& name) {
  struct stat status {};
  const int flags = check(::fcntl(fd, F_GETFL), Status::kEndpoint, name);
  if ((flags & O_ACCMODE) == wrong_mode) throw_errno(EBADF, Status::kEndpoint, name);
  check(::fstat(fd, &status), Status::kEndpoint, name);
  if (S_ISDIR(status.st_mode)) throw_errno(EISDIR, Status::kEndpoint, name);
  return S_ISREG(status.st_mode) || S_ISBLK(status.st_mode);
}

}  // namespace

Input Input::file(const std::string& path, const FileUse& use) {
  return Input(open_file_source(path, file_options(use)));
}

Input Input::descriptor(int fd, const std::string& name, const FileUse& use) {
  if (has_positions(fd, O_WRONLY, name)) return Input(open_descriptor_source(fd, name, file_options(use)));
  return Input(make_pipe_source(fd, name));
}

Output Output::file(const std::string& path, const FileUse& use) {
  return Output(open_file_sink(path, file_options(use)));
}

Output Output::descriptor(int fd, const std::string& name, const FileUse& use) {
  if (has_positions(fd, O_RDONLY, name)) return Output(open_descriptor_sink(fd, name, file_options(use)));
  return Output(make_pipe_sink(fd, name));
}

}  // namespace rdpipe
