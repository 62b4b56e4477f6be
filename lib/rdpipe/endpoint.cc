#include "rdpipe/endpoint.h"

#include <utility>

#include "files/files.h"
#include "launch/commands.h"

namespace rdpipe {
namespace {

FileOptions file_options(const FileUse& use) {
  return {.direct = use.direct == Direct::kOn    ? DirectIo::kOn
                    : use.direct == Direct::kOff ? DirectIo::kOff
                                                 : DirectIo::kAuto,
          .fsync = use.fsync,
          .inplace = use.inplace,
          .fresh = use.fresh};
}

}  // namespace

Input Input::file(const std::string& path, const FileUse& use) {
  return Input(open_file_source(path, file_options(use)));
}

Input Input::descriptor(int fd, const std::string& name, const FileUse& use) {
  return Input(open_descriptor_source(fd, name, file_options(use)));
}

Input Input::command(const std::vector<std::string>& words, ErrorOutput errors) {
  return Input(make_command_source(words, std::move(errors)));
}

Output Output::file(const std::string& path, const FileUse& use) {
  return Output(open_file_sink(path, file_options(use)));
}

Output Output::descriptor(int fd, const std::string& name, const FileUse& use) {
  return Output(open_descriptor_sink(fd, name, file_options(use)));
}

Output Output::command(const std::vector<std::string>& words, ErrorOutput errors) {
  return Output(make_command_sink(words, std::move(errors)));
}

}  // namespace rdpipe
