// Operands, quoting, and the words that start rdcp elsewhere: what is given is what arrives, and nothing is
// taken for an option.
#include <algorithm>
#include <cstdio>
#include <memory>

#include "catch.h"
#include "ground/error.h"
#include "launch/host_path.h"
#include "launch/remote_end.h"
#include "launch/shell_command.h"
#include "launch/words.h"

using namespace rdpipe;

namespace {

// What a POSIX shell makes of `text`.
std::string through_shell(const std::string& text) {
  const std::string command = "printf %s " + text;
  const std::unique_ptr<FILE, int (*)(FILE*)> shell(::popen(command.c_str(), "r"), &::pclose);
  std::string result;
  for (int c = 0; (c = std::fgetc(shell.get())) != EOF;) result += static_cast<char>(c);
  return result;
}

}  // namespace

TEST_CASE("an operand is a path or a host's path") {
  struct Example {
    const char* text;
    HostPath meant;
  };
  const Example example = GENERATE(values<Example>({
      {"a/b", {"", "", "a/b"}},
      {"./a:b", {"", "", "./a:b"}},
      {"/x:y", {"", "", "/x:y"}},
      {"dir/a:b", {"", "", "dir/a:b"}},
      {"host:path", {"", "host", "path"}},
      {"host:", {"", "host", "."}},
      {"host:a:b", {"", "host", "a:b"}},
      {"host:/a b", {"", "host", "/a b"}},
      {"host:~/x", {"", "host", "~/x"}},
      {"host:-rf", {"", "host", "-rf"}},
      {"me@host:x", {"me", "host", "x"}},
      {"me@corp@host:x", {"me@corp", "host", "x"}},
      {"[fe80::1%eth0]:x", {"", "fe80::1%eth0", "x"}},
      {"me@[::1]:x/y", {"me", "::1", "x/y"}},
      {"host:x@y", {"", "host", "x@y"}},
      {"@x", {"", "", "@x"}},
  }));
  CAPTURE(example.text);
  CHECK(parse_host_path(example.text) == example.meant);
}

TEST_CASE("what a remote shell would misread is refused") {
  const std::string text =
      GENERATE("", "-oProxyCommand=x:y", "-l@host:x", "me@-host:x", "[-x]:y", ":x", "@host:x", "me@:x",
               "a b:c", "me@host::x", "h;ls:x", "$(id):x", "[]:x", "a\nb:c");
  CAPTURE(text);
  CHECK_THROWS_AS(parse_host_path(text), Error);
}

TEST_CASE("a quoted word comes out of a shell as it was") {
  const std::string word = GENERATE("plain", "", "two words", "it's", "a\"b", "$HOME `id` \\", "*?[a]", "~",
                                    "a\nb", "-n", "\xff\x01\x7f", "!x #y &z;|<>(){}");
  CHECK(through_shell(quote_word(word)) == word);
  CHECK(split_words(quote_word(word), "test") == std::vector<std::string>{word});
}

TEST_CASE("a command is taken apart as by a shell") {
  CHECK(split_words("ssh -p 2222", "-e") == std::vector<std::string>{"ssh", "-p", "2222"});
  CHECK(split_words("  a\t'b c'\"d e\" f\\ g ", "-e") == std::vector<std::string>{"a", "b cd e", "f g"});
  CHECK(split_words("a '' \"\\$x\\y\"", "-e") == std::vector<std::string>{"a", "", "$x\\y"});
  CHECK_THROWS_AS(split_words("a 'b", "-e"), Error);
  CHECK_THROWS_AS(split_words("a \\", "-e"), Error);
  CHECK_THROWS_AS(split_words("  ", "-e"), Error);
}

TEST_CASE("ssh gets its options, then the host, then rdcp") {
  const auto words = shell_command({.options = {"Port=22"}, .config = "my config", .jump = "gate"},
                                   {.user = "me", .host = "db2", .path = "x"});
  CHECK(words.front() == "ssh");
  CHECK(std::vector<std::string>(words.begin() + 1, words.begin() + 7) ==
        std::vector<std::string>{"-o", "Port=22", "-F", "my config", "-J", "gate"});
  CHECK(std::vector<std::string>(words.end() - 6, words.end()) ==
        std::vector<std::string>{"-l", "me", "--", "db2", "rdcp", "--peer"});
}

TEST_CASE("another shell gets only user, host and rdcp") {
  CHECK(shell_command({.command = "/opt/my-rsh -q", .rdcp = "sudo '/opt/my bin/rdcp'"},
                      {.user = "me", .host = "db2", .path = "x"}) ==
        std::vector<std::string>{"/opt/my-rsh", "-q", "-l", "me", "db2", "sudo", "'/opt/my bin/rdcp'",
                                 "--peer"});
  CHECK(shell_command({.command = "rsh", .rdcp = "~/bin/rdcp"}, {.user = {}, .host = "db2", .path = "x"}) ==
        std::vector<std::string>{"rsh", "db2", "~/bin/rdcp", "--peer"});
}

TEST_CASE("a failed start says which, and what to do") {
  CHECK(static_cast<int>(launch_failure("db2", "ssh", 127, "").status()) == 127);
  CHECK(launch_failure("db2", "ssh", 127, "").hint().find("--rdcp-path") != std::string::npos);
  CHECK(static_cast<int>(launch_failure("db2", "ssh", 255, "").status()) == 255);
  CHECK(launch_failure("db2", "ssh", 0, "Welcome\x1b[2J").cause().find("'Welcome?[2J'") != std::string::npos);
  CHECK(launch_failure("db2", "ssh", 137, "").cause().find("signal 9") != std::string::npos);
}
