// What a stream is read from and written to: files, descriptors, commands. Each is used up by one transfer.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "launch/error_output.h"

namespace rdpipe {

class Source;
class Sink;

enum class Direct : unsigned char { kAuto, kOn, kOff };  // O_DIRECT; auto: where it pays

struct FileUse {
  Direct direct = Direct::kAuto;
  bool fsync = false;    // outputs: on the medium before the transfer counts as done
  bool inplace = false;  // outputs: write into the target itself, not into a temporary that replaces it
  bool fresh = false;    // outputs: the target must not exist, neither before nor when it is put in its place
};

class __attribute__((visibility("default"))) Input {
 public:
  Input(Input&&) noexcept = default;
  Input& operator=(Input&&) noexcept = default;

  // Throws Error{kEndpoint} for what cannot be opened.
  [[nodiscard]] static Input file(const std::string& path, const FileUse& use = {});
  // `fd` (a pipe, socket, terminal, file or device) stays the caller's and must stay open; `name` is for
  // messages.
  [[nodiscard]] static Input descriptor(int fd, const std::string& name, const FileUse& use = {});
  // What the command `words` (not empty) writes to its standard output, where it then exits with 0; any other
  // end is Error{kCommand}. It is started by the transfer, in a process group of its own, which is ended with
  // the transfer. `errors` gets its standard error.
  [[nodiscard]] static Input command(const std::vector<std::string>& words, ErrorOutput errors);

 private:
  friend class Connection;
  friend class FanOut;
  explicit Input(std::shared_ptr<Source> source)
      : source_(std::move(source)) {}  // shared: its deleter knows the type
  std::shared_ptr<Source> source_;
};

class __attribute__((visibility("default"))) Output {
 public:
  Output(Output&&) noexcept = default;
  Output& operator=(Output&&) noexcept = default;

  // Throws Error{kEndpoint} for what cannot be written; creates nothing before the other end has shown that
  // it knows the key. A regular or new file appears, whole, when the transfer is done; until then the old one
  // stays.
  [[nodiscard]] static Output file(const std::string& path, const FileUse& use = {});
  // As for Input. A pipe or a local socket counts as done when its reader has taken every byte, a TCP socket
  // when the other host has.
  [[nodiscard]] static Output descriptor(int fd, const std::string& name, const FileUse& use = {});
  // The standard input of a command, as for Input, which counts as done when it has taken every byte and has
  // exited with 0. When the transfer fails it is killed before its standard input closes.
  [[nodiscard]] static Output command(const std::vector<std::string>& words, ErrorOutput errors);

 private:
  friend class Connection;
  explicit Output(std::shared_ptr<Sink> sink)
      : sink_(std::move(sink)) {}  // shared: its deleter knows the type
  std::shared_ptr<Sink> sink_;
};

}  // namespace rdpipe
