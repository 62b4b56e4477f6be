#include "operands.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <rdpipe/error.h>
#include "catch.h"

namespace rdpipe::tools {
namespace {

// The command line of a tool, whose name is left out; `words` is what has become of it.
struct Parsed {
  Parsed(Tool tool, std::vector<std::string> given) : words(std::move(given)), settings(parse(tool)) {}

  [[nodiscard]] std::string key() const {
    return settings.key.argument ? std::string(settings.key.argument->text()) : "none";
  }

  std::vector<std::string> words;
  Settings settings;

 private:
  Settings parse(Tool tool) {
    std::string name = "tool";
    std::vector<char*> argv = {name.data()};
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    return parse_command_line(tool, static_cast<int>(argv.size()) - 1, argv.data()).settings;
  }
};

Settings sent(std::vector<std::string> words) { return Parsed(Tool::kSend, std::move(words)).settings; }
Settings received(std::vector<std::string> words) {
  return Parsed(Tool::kReceive, std::move(words)).settings;
}

// Nothing where there is no error.
std::optional<Status> refusal(Tool tool, std::vector<std::string> words) try {
  static_cast<void>(Parsed(tool, std::move(words)));
  return {};
} catch (const Error& error) {
  return error.status();
}

// RDPIPE_KEY, for as long as this lives; empty: not set.
struct KeyVariable {
  explicit KeyVariable(const char* key = "") {
    ::unsetenv("RDPIPE_KEY");
    if (*key != '\0') ::setenv("RDPIPE_KEY", key, 1);
  }
  ~KeyVariable() { ::unsetenv("RDPIPE_KEY"); }
};

// A file that is there, and a name beside it that is not.
struct Place {
  std::filesystem::path directory =
      std::filesystem::temp_directory_path() / ("operands-" + std::to_string(::getpid()));
  std::string there = directory / "there", absent = directory / "absent";
  Place() {
    std::filesystem::create_directory(directory);
    std::ofstream(there) << "something";
  }
  ~Place() { std::filesystem::remove_all(directory); }
};

}  // namespace

TEST_CASE("HOST PORT KEY FILE") {
  const Parsed line(Tool::kSend, {"-s", "4k", "db2", "9090", "secret", "disk.img"});
  REQUIRE(line.settings.targets.size() == 1);
  CHECK(line.settings.targets[0].host == "db2");
  CHECK(line.settings.targets[0].port == "9090");
  CHECK(line.key() == "secret");
  CHECK(line.settings.path == "disk.img");
  CHECK(line.words[4] == "xxxxxx");
}

TEST_CASE("-O names a host and a port") {
  const KeyVariable variable("secret");
  const auto target = [](const char* text) { return target_value("-O", text); };
  CHECK(sent({"-O", "db2:9090"}).targets.at(0).host == "db2");
  CHECK(sent({"-Odb2:9090"}).targets.at(0).port == "9090");
  CHECK(target("[fe80::1%eth0]:7").host == "fe80::1%eth0");
  CHECK(target("[::1]:7470").port == "7470");
  CHECK(target("10.0.0.1:ssh").port == "ssh");
  for (const char* text :
       {"db2", "db2:", ":9090", "[::1]", "::1:9090", "[::1:9090", "a:b:c", "", "[]:1", ":"}) {
    INFO(text);
    CHECK_THROWS_AS(target(text), Error);
  }
}

TEST_CASE("-I names a port, and nobody who may connect") {
  const KeyVariable variable("secret");
  CHECK(received({"-I", "9090", "-s", "128k", "-m", "1G"}).port == "9090");
  CHECK(refusal(Tool::kReceive, {"-I", "db1:9090"}) == Status::kUsage);
  CHECK(refusal(Tool::kReceive, {"-I", ""}) == Status::kUsage);
  CHECK(refusal(Tool::kReceive, {"-I", "1", "-I", "2"}) == Status::kUsage);
  CHECK(refusal(Tool::kReceive, {"-O", "a:1"}) == Status::kUsage);
  CHECK(refusal(Tool::kSend, {"-I", "1"}) == Status::kUsage);
}

TEST_CASE("behind -O two operands are KEY and FILE, and there are no more") {
  for (const char* variable : {"", "secret"}) {
    const KeyVariable key_variable(variable);
    const Parsed line(Tool::kSend, {"-O", "a:1", "key", "file"});
    CHECK(line.key() == "key");
    CHECK(line.settings.path == "file");
    CHECK(line.words[2] == "xxx");
    CHECK(refusal(Tool::kSend, {"-O", "a:1", "b", "2", "key"}) == Status::kUsage);
    CHECK(refusal(Tool::kSend, {"--key-file=k", "-O", "a:1", "key", "file"}) == Status::kUsage);
  }
}

TEST_CASE("behind -O one operand is FILE where an option says where the key is") {
  const KeyVariable variable;
  const Settings settings = sent({"-O", "a:1", "--key-file", "k", "disk.img"});
  CHECK(settings.path == "disk.img");
  CHECK_FALSE(settings.key.argument);
  CHECK(received({"-I", "1", "--key-fd=5", "disk.img"}).path == "disk.img");
}

TEST_CASE("behind -O one operand is KEY where nothing else is the key, and not where it is a file") {
  const KeyVariable variable;
  const Place place;
  const Parsed line(Tool::kSend, {"-O", "a:1", place.absent});
  CHECK(line.key() == place.absent);
  CHECK_FALSE(line.settings.path);
  CHECK(line.settings.notice.empty());
  CHECK(line.words[2] == std::string(place.absent.size(), 'x'));
  const Parsed receiver(Tool::kReceive, {"-I", "1", place.absent});
  CHECK(receiver.key() == place.absent);
  CHECK_FALSE(receiver.settings.notice.empty());
  CHECK(refusal(Tool::kSend, {"-O", "a:1", place.there}) == Status::kAuthentication);
  CHECK(refusal(Tool::kReceive, {"-I", "1", place.there}) == Status::kAuthentication);
}

TEST_CASE("behind -O one operand beside RDPIPE_KEY is a FILE that is there, or refused") {
  const KeyVariable variable("secret");
  const Place place;
  const Settings settings = sent({"-O", "a:1", place.there});
  CHECK(settings.path == place.there);
  CHECK_FALSE(settings.key.argument);
  CHECK(refusal(Tool::kSend, {"-O", "a:1", place.absent}) == Status::kUsage);
  CHECK(refusal(Tool::kReceive, {"-I", "1", place.absent}) == Status::kUsage);
  CHECK(refusal(Tool::kReceive, {"-I", "1", place.there}) == Status::kUsage);
}

TEST_CASE("one operand is KEY where FILE is said otherwise") {
  const Place place;
  for (const char* variable : {"", "secret"}) {
    const KeyVariable key_variable(variable);
    CHECK(Parsed(Tool::kSend, {"-O", "a:1", "-i", place.there, place.there}).key() == place.there);
    CHECK(Parsed(Tool::kSend, {"-O", "a:1", "-i", "-", place.there}).key() == place.there);
    CHECK(Parsed(Tool::kReceive, {"-I", "1", "-o", "-", "key"}).key() == "key");
    CHECK(Parsed(Tool::kSend, {"-O", "a:1", "key", "--", "true"}).key() == "key");
    CHECK(Parsed(Tool::kSend, {"-O", "a:1", "-"}).key() == "-");
  }
}

TEST_CASE("behind -O a -- begins a command") {
  const KeyVariable variable("secret");
  CHECK(sent({"-O", "a:1", "--", "cat", "-n", "f"}).command == std::vector<std::string>{"cat", "-n", "f"});
  CHECK(sent({"-O", "a:1", "key", "--", "cat"}).command == std::vector<std::string>{"cat"});
  CHECK(refusal(Tool::kSend, {"-O", "a:1", "key", "file", "--", "cat"}) == Status::kUsage);
  CHECK(refusal(Tool::kSend, {"-O", "a:1", "-i", "file", "--", "cat"}) == Status::kUsage);
}

TEST_CASE("FILE is named once") {
  const KeyVariable variable;
  CHECK(sent({"-i", "disk.img", "a", "1", "key"}).path == "disk.img");
  CHECK_FALSE(sent({"-i", "-", "a", "1", "key"}).path);
  CHECK(refusal(Tool::kSend, {"-i", "disk.img", "a", "1", "key", "file"}) == Status::kUsage);
  CHECK(refusal(Tool::kSend, {"-i", "x", "-i", "y", "a", "1", "key"}) == Status::kUsage);
}

TEST_CASE("-o replaces nothing without -f") {
  const KeyVariable variable;
  const Place place;
  CHECK(refusal(Tool::kReceive, {"-o", place.there, "1", "key"}) == Status::kEndpoint);
  CHECK(received({"-o", place.absent, "1", "key"}).file_use.fresh);
  CHECK_FALSE(received({"-f", "-o", place.there, "1", "key"}).file_use.fresh);
  CHECK_FALSE(received({"-o", "/dev/null", "1", "key"}).file_use.fresh);
  CHECK_FALSE(received({"1", "key", place.there}).file_use.fresh);
}

TEST_CASE("a level of mbuffer's -v is neither KEY nor FILE") {
  const KeyVariable variable;
  CHECK(refusal(Tool::kReceive, {"-I", "1", "--key-file=k", "-v", "4"}) == Status::kUsage);
  CHECK(refusal(Tool::kSend, {"-v", "1", "-O", "a:1"}) == Status::kUsage);
  CHECK(received({"-I", "1", "--key-file=k", "-v", "out"}).path == "out");
}

TEST_CASE("sizes as mbuffer's users write them") {
  const KeyVariable variable("secret");
  const auto slot = [](const char* size) { return received({"-I", "1", "-s", size}).connection.slot_size; };
  CHECK(slot("128k") == 131072);
  CHECK(slot("128K") == 131072);
  CHECK(slot("1m") == 1048576);
  CHECK(slot("4096b") == 4096);
  CHECK(slot("65536") == 65536);
  CHECK(received({"-I", "1", "-m", "1.5g"}).connection.buffer_size == 1610612736);
  CHECK(received({"-I", "1", "-m", "10%"}).connection.buffer_size > 0);
  for (const char* size : {"1kk", "k", "1x", "1 k", "%"}) {
    INFO(size);
    CHECK(refusal(Tool::kReceive, {"-I", "1", "-m", size}) == Status::kUsage);
  }
}

}  // namespace rdpipe::tools
