#include "key_list.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "catch.h"

namespace rdpipe::tools {
namespace {

const std::string kRandom = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

// A file of keys, for as long as this lives.
class KeyFile {
 public:
  explicit KeyFile(const std::string& text, mode_t mode = 0600) {
    static_cast<void>(::mkdtemp(directory_.data()));
    std::ofstream(path()) << text;
    ::chmod(path().c_str(), mode);
  }
  KeyFile(const KeyFile&) = delete;
  KeyFile& operator=(const KeyFile&) = delete;
  ~KeyFile() { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string path() const { return directory_ + "/keys"; }
  [[nodiscard]] std::vector<ServedKey> read() {
    return read_key_list(path(), [this](const std::string& line) { warnings.push_back(line); });
  }

  std::vector<std::string> warnings{};

 private:
  std::string directory_ = std::filesystem::temp_directory_path() / "rdpipe-keys-XXXXXX";
};

Error refusal_of(const std::string& text, mode_t mode = 0600) {
  KeyFile file(text, mode);
  try {
    static_cast<void>(file.read());
  } catch (const Error& error) {
    return error;
  }
  return {Status::kOk, "", ""};
}

}  // namespace

TEST_CASE("a line is a name, a key and what it is good for") {
  KeyFile file("# ours\n\nalice " + kRandom +
               "\r\n\tbob@x-1.y_z  long-passphrase read dir=in/bob\ncarl another-long-one write");
  const auto keys = file.read();
  REQUIRE(keys.size() == 3);
  CHECK(keys[0].name == "alice");
  CHECK(keys[0].key == kRandom);
  CHECK(keys[0].directory.empty());
  CHECK((keys[0].may_read && keys[0].may_write));
  CHECK(keys[1].name == "bob@x-1.y_z");
  CHECK(keys[1].directory == "in/bob");
  CHECK((keys[1].may_read && !keys[1].may_write));
  CHECK((!keys[2].may_read && keys[2].may_write));
  CHECK(file.warnings.empty());
}

TEST_CASE("blanks and quotes of a word stand between double quotes") {
  KeyFile file(R"(alice "correct \"horse\" \\" dir="a b"
bob 'single"quotes"are-letters "dir=c d")");
  const auto keys = file.read();
  CHECK(keys.at(0).key == R"(correct "horse" \)");
  CHECK(keys.at(0).directory == "a b");
  CHECK(keys.at(1).key == R"('single"quotes"are-letters)");
  CHECK(keys.at(1).directory == "c d");
}

TEST_CASE("a wrong line is named, and nothing of it is repeated") {
  struct Example {
    std::string line;
    std::string cause;
  };
  const Example example = GENERATE(values<Example>({
      {"alice", "KEY is missing"},
      {"alice dir=x read", "KEY is missing"},
      {"alice \"\"", "KEY is empty"},
      {"alice " + std::string(64, '0'), "everybody knows this KEY"},
      {"alice \"open", "a closing quote is missing"},
      {"alice \"open\"close", "a blank is missing behind a closing quote"},
      {"alice correct horse", "word 3 is none of dir=DIRECTORY, read and write"},
      {"alice long-passphrase dir=", "dir= is empty"},
      {"alice long-passphrase dir=a/..", "dir= has a '..' in it"},
      {"alice long-passphrase dir=a dir=b", "dir= is there twice"},
      {"al/ice long-passphrase", "NAME has a character that is none of A-Z a-z 0-9 . _ - @"},
      {std::string(65, 'a') + " long-passphrase", "NAME has 65 characters, not 1 to 64"},
      {"first long-passphrase", "a line above has the same NAME"},
      {"alice " + std::string(32, 'a') + std::string(32, 'B'), "a line above has the same KEY"},
  }));
  CAPTURE(example.line);
  const Error error =
      refusal_of("first " + std::string(32, 'A') + std::string(32, 'b') + "\n" + example.line);
  CHECK(error.status() == Status::kAuthentication);
  CHECK(error.attempt().ends_with("/keys', line 2"));
  CHECK(error.cause() == example.cause);
}

TEST_CASE("a file of keys is its owner's alone") {
  CHECK(refusal_of("a long-passphrase", 0644).cause() == "permissions 0644: others may read it");
  CHECK(refusal_of("a long-passphrase", 0602).cause() == "permissions 0602: others may write it");
  CHECK(refusal_of("a long-passphrase", 0660).cause() == "permissions 0660: its group may write it");
  CHECK(KeyFile("a long-passphrase", 0440).read().size() == 1);
}

TEST_CASE("a file of keys is a file, and has some") {
  CHECK(refusal_of("# none\n").cause() == "no key there");
  CHECK(refusal_of(std::string((1 << 20) + 1, '#')).cause() == "it is larger than 1 MiB");
  CHECK_THROWS_WITH(read_key_list("/dev/null", {}),
                    "read the key file '/dev/null': it is not a regular file");
}

TEST_CASE("a key that is easily guessed, or mistyped, is worth a warning") {
  KeyFile file("a short\nb " + kRandom + "0\n");
  CHECK(file.read().size() == 2);
  REQUIRE(file.warnings.size() == 2);
  CHECK(file.warnings[0].find("line 1: a key below 12 characters") != std::string::npos);
  CHECK(file.warnings[1].find("line 2: the key has 65 hexadecimal digits") != std::string::npos);
}

}  // namespace rdpipe::tools
