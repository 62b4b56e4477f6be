// What is told to programs: objects, one a line, ASCII whatever the names are; the members are in rdsend(1)
// and rdcp(1). One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <rdpipe/connection.h>
#include <rdpipe/shared_output.h>

#include "reading.h"
#include "settings.h"

namespace rdpipe::tools {

using Json = nlohmann::ordered_json;

class JsonStream {
 public:
  // `fd` stays the caller's.
  explicit JsonStream(int fd) : output_(fd) {}
  // Adds "event" and "time" in front. Who reads it is waited for, but not for long.
  void write(const char* event, const Json& members);
  // The same, waiting for nobody.
  void write_if_room(const char* event, const Json& members);

 private:
  SharedOutput output_;
};

[[nodiscard]] Json start_members(Tool tool, const CommandLine& line);
[[nodiscard]] Json tick_members(const Reading& reading);
// Of a transfer that is in place, and of one that has failed; `last`: what was seen of it then, if anything.
[[nodiscard]] Json end_members(Tool tool, const Result& result, const std::string& hash);
[[nodiscard]] Json end_members(const CopyReport& report);
[[nodiscard]] Json receiver_members(const ReceiverResult& receiver);
[[nodiscard]] Json end_members(Tool tool, const Error& error, const std::optional<Reading>& last);

}  // namespace rdpipe::tools
