#include "report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <utility>

namespace rdpipe::tools {

void hide_controls(std::string& text, unsigned char kept) {
  const auto is_control = [kept](unsigned char c) { return c != kept && (c < 0x20 || c == 0x7F); };
  std::replace_if(text.begin(), text.end(), is_control, '?');
}

void print_answer(std::string text) {
  hide_controls(text, '\n');
  if (std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return;
  throw Error(Status::kFileIo, "write to standard output", std::strerror(errno));
}

void print_answer_line(std::string line) {
  hide_controls(line);
  print_answer(std::move(line) + "\n");
}

std::string line_text(std::string line) {
  hide_controls(line);
  return line + "\n";
}

void print_line(std::string text) {
  const std::string line = line_text(std::move(text));
  for (std::size_t done = 0; done < line.size();) {
    const auto count = ::write(STDERR_FILENO, line.data() + done, line.size() - done);
    if (count <= 0) return;  // nobody to tell
    done += static_cast<std::size_t>(count);
  }
}

std::string rate_text(double bytes_per_second, int decimals) {
  if (bytes_per_second >= 1e9) return fmt::format("{:.{}f} GB/s", bytes_per_second / 1e9, decimals);
  if (bytes_per_second >= 1e6) return fmt::format("{:.{}f} MB/s", bytes_per_second / 1e6, decimals);
  return fmt::format("{:.{}f} kB/s", bytes_per_second / 1e3, decimals);
}

std::string utc_now() {
  using std::chrono::milliseconds;
  const auto now = std::chrono::system_clock::now();
  const auto past_second = std::chrono::duration_cast<milliseconds>(now.time_since_epoch()) % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(now)),
                     past_second.count());
}

void print_error(Tool tool, const Error& error) {
  print_line(fmt::format("{}: error: {}", tool_name(tool), error.what()));
  if (!error.hint().empty()) print_line(fmt::format("{}: hint: {}", tool_name(tool), error.hint()));
}

void print_notice(Tool tool, const std::string& text) {
  print_line(fmt::format("{}: {}", tool_name(tool), text));
}

std::string compression_text(std::uint64_t bytes, std::uint64_t wire_bytes) {
  if (wire_bytes == 0) return {};
  return fmt::format(", compressed {:.2f}:1 to {} B",
                     static_cast<double>(bytes) / static_cast<double>(wire_bytes), wire_bytes);
}

namespace {

std::string forwarded_text(const Result& result) {
  if (result.forwarded_to.empty()) return {};
  return fmt::format(", forwarded to {} over {}", result.forwarded_to, result.forwarded_by);
}

std::string summary_of(const Result& result) {
  const double seconds = std::chrono::duration<double>(result.elapsed).count();
  const double rate = seconds > 0 ? static_cast<double>(result.bytes) / seconds : 0;
  const std::string device = result.device.empty() ? "" : fmt::format(" ({})", result.device);
  return fmt::format("Bandwidth {}, {} {} in {:.3f} s, {}{}{}, {}, {}", rate_text(rate), result.bytes,
                     result.bytes == 1 ? "byte" : "bytes", seconds, result.fabric, device,
                     result.compressed ? compression_text(result.data_bytes, result.wire_bytes) : "",
                     result.sealed ? "sealed" : "not sealed",
                     result.digest.empty() ? "no digest" : "digest " + result.digest) +
         forwarded_text(result);
}

}  // namespace

std::string result_text(Tool tool, const Result& result) {
  return fmt::format("{}: {}", tool_name(tool), summary_of(result));
}

std::string receiver_text(Tool tool, const ReceiverResult& receiver) {
  const std::string name = fmt::format("{}: {}", tool_name(tool), receiver.name);
  if (!receiver.error) return fmt::format("{}: committed: {}", name, summary_of(receiver.result));
  const int status = static_cast<int>(receiver.error->status());
  if (receiver.given_up) {
    return fmt::format("{}: given up with status {}{}", name, status,
                       receiver.unknown ? ": whether it has the data is unknown" : "");
  }
  return fmt::format("{}: failed with status {}: {}", name, status, receiver.error->what());
}

std::string hash_text(const std::string& algorithm, const Result& result) {
  return fmt::format("{} {}", algorithm, result.hash);
}

}  // namespace rdpipe::tools
