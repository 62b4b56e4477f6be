// What the command line says about showing and telling how far it is.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace rdpipe::tools {

enum class ProgressUse : unsigned char { kUnsaid, kAuto, kAlways, kNever };

struct ProgressSettings {
  ProgressUse use = ProgressUse::kUnsaid;  // the line; unsaid: rdsend and rdrecv mean kAuto, rdcp kNever
  bool numeric = false;                    // numbers on standard error in its place
  std::optional<int> json_fd{};            // objects to this descriptor; on standard error: in its place
  std::chrono::nanoseconds interval = std::chrono::seconds(1);  // of numbers and objects
  std::string log_file{};                                       // empty: none
};

}  // namespace rdpipe::tools
