#include "progress_json.h"

#include <cmath>

#include "report.h"

namespace rdpipe::tools {
namespace {

double rounded(double value) { return std::round(value * 1e3) / 1e3; }

double seconds_of(std::chrono::nanoseconds span) { return std::chrono::duration<double>(span).count(); }

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

std::string fabric_of(std::string fabric) {
  for (char& c : fabric) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return fabric;
}

std::string text_of(const char* event, const Json& members) {
  Json object = {{"event", event}, {"time", utc_now()}};
  object.update(members);
  return object.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n";
}

template <typename Carried>
Json link_members(const Carried& carried) {
  return {{"fabric", text_or_null(fabric_of(carried.fabric))},
          {"device", text_or_null(carried.device)},
          {"peer", text_or_null(carried.peer)},
          {"sealed", carried.fabric.empty() ? Json() : Json(carried.sealed)},
          {"retries", carried.retries}};
}

Json amounts(std::uint64_t bytes, double seconds) {
  return {{"bytes", bytes},
          {"seconds", rounded(seconds)},
          {"mean_rate", seconds > 0 ? std::round(static_cast<double>(bytes) / seconds) : 0.0}};
}

Json verdict(int status, const char* result, const std::string& warning) {
  return {{"result", result},
          {"status", status},
          {"error", nullptr},
          {"hint", nullptr},
          {"warning", text_or_null(warning)}};
}

}  // namespace

void JsonStream::write(const char* event, const Json& members) {
  constexpr auto kPatience = std::chrono::seconds(2);
  output_.write(text_of(event, members), Deadline::in(kPatience));
}

void JsonStream::write_if_room(const char* event, const Json& members) {
  output_.write(text_of(event, members), Deadline::now());
}

Json start_members(Tool tool, const CommandLine& line) {
  Json members = {{"tool", tool_name(tool)}, {"version", RDPIPE_VERSION}};
  if (tool == Tool::kCopy) {
    members["operands"] = line.copy.operands;
    return members;
  }
  const std::vector<Target>& targets = line.settings.targets;
  const bool has_several = targets.size() > 1;
  const Target target = tool == Tool::kSend ? targets.front() : Target{{}, line.settings.port};
  members["host"] = has_several ? Json() : text_or_null(target.host);
  members["port"] = has_several ? Json() : Json(target.port);
  if (tool == Tool::kSend) members["receivers"] = nullptr;
  for (const Target& one : targets) {
    if (has_several) members["receivers"].push_back(name_of(Receiver{one.host, one.port}));
  }
  members["file"] = or_null(line.settings.path);
  members["total"] = or_null(line.settings.connection.expected_size);
  return members;
}

Json tick_members(const Reading& reading) {
  Json members = {
      {"bytes", reading.bytes},
      {"total", or_null(reading.total)},
      {"percent", or_null(reading.percent())},
      {"seconds", rounded(reading.seconds)},
      {"rate", std::round(reading.rate)},
      {"mean_rate", std::round(reading.mean)},
      {"seconds_left", reading.seconds_left() ? Json(std::round(*reading.seconds_left())) : Json()},
      {"buffer_bytes", reading.buffer.held},
      {"buffer_size", reading.buffer.size},
      {"confirming", reading.ended}};
  members.update(link_members(reading));
  if (!reading.entries) return members;
  members["entries"] = reading.entries->done;
  members["total_entries"] = reading.entries->total;
  members["file"] = text_or_null(reading.file);
  members["file_bytes"] = reading.file_bytes;
  members["file_size"] = reading.file_size;
  return members;
}

Json end_members(Tool tool, const Result& result, const std::string& hash) {
  Json members = amounts(result.bytes, seconds_of(result.elapsed));
  members["digest"] = text_or_null(result.digest);
  members["hash"] = hash.empty() ? Json() : Json(hash + " " + result.hash);
  members.update(link_members(result));
  members.update(verdict(0, "ok", result.warning));
  if (tool == Tool::kReceive) members["forwarded_to"] = text_or_null(result.forwarded_to);
  return members;
}

Json end_members(const CopyReport& report) {
  Json members = amounts(report.bytes_moved, seconds_of(report.elapsed));
  members.update(link_members(report));
  members["entries"] = report.entries;
  members["files"] = report.files;
  members["files_moved"] = report.files_moved;
  members["deleted"] = report.deleted;
  members["failed"] = report.failed;
  members["vanished"] = report.vanished;
  members.update(verdict(report.status(), report.status() == 0 ? "ok" : "partial", report.warning));
  return members;
}

Json receiver_members(const ReceiverResult& receiver) {
  const auto& error = receiver.error;
  return {{"host", receiver.name},
          {"status", error ? static_cast<int>(error->status()) : 0},
          {"cause", error ? Json(error->what()) : Json()},
          {"given_up", receiver.given_up},
          {"unknown", receiver.unknown},
          {"bytes", receiver.result.bytes},
          {"seconds", rounded(seconds_of(receiver.result.elapsed))}};
}

Json end_members(Tool tool, const Error& error, const std::optional<Reading>& last) {
  const Reading reading = last.value_or(Reading{});
  Json members = amounts(reading.bytes, reading.seconds);
  if (tool != Tool::kCopy) members.update({{"digest", nullptr}, {"hash", nullptr}});
  members.update(link_members(reading));
  if (tool == Tool::kCopy) {
    for (const char* count : {"entries", "files", "files_moved", "deleted", "failed", "vanished"}) {
      members[count] = nullptr;
    }
  }
  members.update(verdict(static_cast<int>(error.status()), "error", {}));
  members["error"] = error.what();
  members["hint"] = text_or_null(error.hint());
  if (tool == Tool::kReceive) members["forwarded_to"] = nullptr;
  return members;
}

}  // namespace rdpipe::tools
