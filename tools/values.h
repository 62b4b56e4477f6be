// Values on the command line: each is checked here, once, and a wrong one is an Error{kUsage} that names the
// option.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include <rdpipe/compression.h>
#include <rdpipe/error.h>

namespace rdpipe::tools {

// "64k", "4M", "1.5g": bytes; k M G T, and b for 1, in either case: powers of 1024.
[[nodiscard]] std::uint64_t size_value(const char* option, const std::string& text);
[[nodiscard]] int number_value(const char* option, const std::string& text, int lowest, int highest);
// "10", "0.5": seconds, at least `lowest`, at most 10^9.
[[nodiscard]] std::chrono::nanoseconds seconds_value(const char* option, const std::string& text,
                                                     double lowest);
// 1 to 3600 seconds.
[[nodiscard]] std::chrono::nanoseconds keep_alive_value(const char* option, const std::string& text);

// "zstd", "zstd:9", "lz4", "auto".
[[nodiscard]] Compression compression_value(const std::string& text);

[[noreturn]] void reject_value(const char* option, const std::string& text, const std::string& expected);

template <typename T>
T choice_value(const char* option, const std::string& text,
               std::initializer_list<std::pair<const char*, T>> choices) {
  std::string expected;
  for (const auto& [name, value] : choices) {
    if (text == name) return value;
    expected += expected.empty() ? name : std::string(", ") + name;
  }
  reject_value(option, text, "one of " + expected);
}

}  // namespace rdpipe::tools
