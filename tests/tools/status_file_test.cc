#include "status_file.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "catch.h"

namespace rdpipe::tools {
namespace {

struct TemporaryDirectory {
  TemporaryDirectory() { static_cast<void>(::mkdtemp(path.data())); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }

  std::string path = std::filesystem::temp_directory_path() / "rdpipe-status-XXXXXX";
};

ServerStatus some_status() {
  ServerStatus status;
  status.clients = 3;
  status.waiting = 1;
  status.transfers = 12;
  status.failures = 1;
  status.bytes = 20'000'000'000;
  status.rate_10s = 9.1e9;
  status.rate_1min = 8.7e6;
  status.rate_5min = 0.4;
  return status;
}

std::size_t files_in(const std::string& path) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
}

}  // namespace

TEST_CASE("the status is one line") {
  CHECK(
      status_text(some_status()) ==
      "3 clients, 1 waiting, 12 transfers (1 failed), 9.1 GB/s over 10 s, 8.7 MB/s over 1 min, 0.0 kB/s over "
      "5 min");
  ServerStatus stopping;
  stopping.state = ServerState::kStopping;
  CHECK(status_text(stopping).starts_with("stopping: 0 clients, 0 waiting, "));
}

TEST_CASE("the status file is one JSON object that anybody may read, and nothing is left beside it") {
  const TemporaryDirectory directory;
  const std::string path = directory.path + "/status";
  StatusFile file(path, [](const std::string& line) { FAIL(line); });
  file.write({});
  file.write(some_status());
  const auto object = nlohmann::json::parse(std::ifstream(path));
  CHECK(object["bytes"] == 20'000'000'000);
  CHECK(object["rate_10s"] == 9'100'000'000);
  CHECK(object["time"].get<std::string>().size() == std::string("2024-05-01T12:00:00.123Z").size());
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0644);
  CHECK(files_in(directory.path) == 1);
}

TEST_CASE("the status file says whether the server still serves") {
  const TemporaryDirectory directory;
  const std::string path = directory.path + "/status";
  StatusFile file(path, [](const std::string& line) { FAIL(line); });
  const std::vector<std::pair<ServerState, std::string>> words = {{ServerState::kRunning, "running"},
                                                                  {ServerState::kStopping, "stopping"},
                                                                  {ServerState::kStopped, "stopped"}};
  for (const auto& [state, word] : words) {
    ServerStatus status;
    status.state = state;
    file.write(status);
    CHECK(nlohmann::json::parse(std::ifstream(path))["state"] == word);
  }
}

TEST_CASE("a status file that cannot be written is worth one line, until it could be") {
  const TemporaryDirectory directory;
  const std::string path = directory.path + "/status";
  int lines = 0;
  StatusFile file(path, [&](const std::string&) { ++lines; });
  std::filesystem::create_directory(path);
  file.write({});
  file.write({});
  CHECK(lines == 1);
  CHECK(files_in(directory.path) == 1);
  std::filesystem::remove(path);
  file.write({});
  std::filesystem::remove(path);
  std::filesystem::create_directory(path);
  file.write({});
  CHECK(lines == 2);
}

}  // namespace rdpipe::tools
