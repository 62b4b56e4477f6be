#include "serve_log.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "report.h"

namespace rdpipe::tools {
namespace {

using Json = nlohmann::ordered_json;

double rounded(double value) { return std::round(value * 1e3) / 1e3; }

double seconds_of(const ServedTransfer& transfer) {
  return std::chrono::duration<double>(transfer.elapsed).count();
}

double rate_of(const ServedTransfer& transfer) {
  const double seconds = seconds_of(transfer);
  return seconds > 0 ? static_cast<double>(transfer.bytes) / seconds : 0;
}

std::string plural(std::uint64_t count, const char* one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

std::string paths_of(const ServedTransfer& transfer) {
  const std::string more = transfer.paths > 1 ? fmt::format(" (and {} more)", transfer.paths - 1) : "";
  return fmt::format("'{}'{}", transfer.path, more);
}

std::string text_of(const ServedTransfer& transfer) {
  const std::string device = transfer.device.empty() ? "" : fmt::format(" ({})", transfer.device);
  const std::string result =
      transfer.status == 0 ? "ok" : fmt::format("failed ({}): {}", transfer.status, transfer.cause);
  return fmt::format("{} ({}) {}{} {}: {}, {} in {:.3f} s, {}, {}{}: {}", transfer.client, transfer.key,
                     transfer.dry_run ? "would have " : "",
                     transfer.sent      ? "read"
                     : transfer.dry_run ? "written"
                                        : "wrote",
                     paths_of(transfer), plural(transfer.files, "file"), plural(transfer.bytes, "byte"),
                     seconds_of(transfer), rate_text(rate_of(transfer)), transfer.fabric, device, result);
}

Json json_of(const ServedTransfer& transfer) {
  return {{"client", transfer.client},
          {"key", transfer.key},
          {"operation", transfer.sent ? "read" : "write"},
          {"path", transfer.path},
          {"paths", transfer.paths},
          {"dry_run", transfer.dry_run},
          {"files", transfer.files},
          {"bytes", transfer.bytes},
          {"seconds", rounded(seconds_of(transfer))},
          {"gb_per_s", rounded(rate_of(transfer) / 1e9)},
          {"fabric", transfer.fabric},
          {"device", transfer.device},
          {"status", transfer.status},
          {"result", transfer.status == 0 ? "ok" : transfer.cause}};
}

void print_event(const char* event, const Json& what) {
  Json line = {{"time", utc_now()}, {"event", event}};
  line.update(what);
  // Names are arbitrary bytes, which JSON has no way to write.
  print_line(line.dump(-1, ' ', true, Json::error_handler_t::replace));
}

}  // namespace

void ServeLog::transfer(const ServedTransfer& transfer) const {
  if (format_ == LogFormat::kJson) return print_event("transfer", json_of(transfer));
  print_notice(Tool::kCopy, text_of(transfer));
}

void ServeLog::notice(const std::string& text) const {
  if (format_ == LogFormat::kJson) return print_event("notice", {{"text", text}});
  print_notice(Tool::kCopy, text);
}

}  // namespace rdpipe::tools
