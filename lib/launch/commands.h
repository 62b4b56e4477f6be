// Commands as Source and as Sink. They are started with the stream, after both ends have proved that they
// know the key, and what comes of them is what comes of the stream: Error{kCommand} for any end but exit
// status 0. SIGPIPE must be ignored.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launch/error_output.h"
#include "stream/sink.h"
#include "stream/source.h"

namespace rdpipe {

// The stream has ended when the command's standard output has, and it has exited with 0. `errors`
// gets its standard error.
[[nodiscard]] std::unique_ptr<Source> make_command_source(std::vector<std::string> words, ErrorOutput errors);
// committed(): the command has taken every byte from its standard input and has exited with 0. That ends only
// when the stream has ended and was checked; until then the command is killed before it could see an end.
[[nodiscard]] std::unique_ptr<Sink> make_command_sink(std::vector<std::string> words, ErrorOutput errors);

}  // namespace rdpipe
