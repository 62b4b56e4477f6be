// What words_test.cc leaves out of operands: literals with '@' about, home directories, and who is who.
#include "launch/host_path.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdint>

#include "catch.h"
#include "ground/error.h"

using namespace rdpipe;

namespace {

struct Home {
  std::string user, directory;
};

// Of who runs this; empty where the system does not know.
Home own_home() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry == nullptr ? Home{} : Home{entry->pw_name, entry->pw_dir};
}

Error refusal_of(const std::string& text) {
  try {
    static_cast<void>(parse_host_path(text));
  } catch (const Error& error) {
    return error;
  }
  return {Status::kOk, "", ""};
}

}  // namespace

TEST_CASE("an '@' of a path is none of its host") {
  CHECK(parse_host_path("[::1]:a@b") == HostPath{"", "::1", "a@b"});
  CHECK(parse_host_path("[::1]:a@[b]:c") == HostPath{"", "::1", "a@[b]:c"});
  CHECK(parse_host_path("me@[::1]:a@b") == HostPath{"me", "::1", "a@b"});
  CHECK(parse_host_path("me@corp@[::1]:x") == HostPath{"me@corp", "::1", "x"});
  CHECK(parse_host_path("[::1]:/a@b:c") == HostPath{"", "::1", "/a@b:c"});
  CHECK(parse_host_path("host:x@[y]:z") == HostPath{"", "host", "x@[y]:z"});
  CHECK(parse_host_path("me@host:x@y") == HostPath{"me", "host", "x@y"});
  CHECK(parse_host_path("a@b") == HostPath{"", "", "a@b"});
  CHECK(parse_host_path("a@b/c:d") == HostPath{"", "", "a@b/c:d"});
}

TEST_CASE("a literal's brackets are taken off, and an empty path is the home") {
  CHECK(parse_host_path("[db2]:x") == HostPath{"", "db2", "x"});
  CHECK(parse_host_path("[::1]:") == HostPath{"", "::1", "."});
  CHECK(parse_host_path("[a/b]:x") == HostPath{"", "", "[a/b]:x"});
  CHECK(parse_host_path("[ab]") == HostPath{"", "", "[ab]"});
}

TEST_CASE("a refused operand is quoted, with what it lacks") {
  const Error option = refusal_of("-oProxyCommand=x:y");
  CHECK(option.status() == Status::kUsage);
  CHECK(option.attempt() == "'-oProxyCommand=x:y'");
  CHECK(option.cause() == "a host does not begin with '-'");
  CHECK(option.hint() == "a local name with a colon is ./a:b");
  CHECK(refusal_of("-me@host:x").cause() == "a user does not begin with '-'");
  CHECK(refusal_of("@host:x").cause() == "the user is empty");
  CHECK(refusal_of(":x").cause() == "the host is empty");
  CHECK(refusal_of("a b:x").cause() == "the host has a character that no host has");
  CHECK(refusal_of("a\x1b[2J:x").attempt() == "'a?[2J:x'");
}

TEST_CASE("two colons or a URL name a path of a server") {
  struct Example {
    const char* text;
    const char* host;
    const char* path;
    std::uint16_t port;
  };
  const Example example = GENERATE(values<Example>({
      {"db2::x", "db2", "x", 0},
      {"db2::a/b", "db2", "a/b", 0},
      {"db2::", "db2", ".", 0},
      {"db2::/", "db2", ".", 0},
      {"db2::/a", "db2", "a", 0},
      {"db2::///a//b/", "db2", "a//b/", 0},
      {"db2:::x", "db2", ":x", 0},
      {"db2::a@b:c", "db2", "a@b:c", 0},
      {"db2::-rf", "db2", "-rf", 0},
      {"db2::~", "db2", "~", 0},
      {"db2::%2e", "db2", "%2e", 0},
      {"[::1]::x", "::1", "x", 0},
      {"[fe80::1%eth0]::", "fe80::1%eth0", ".", 0},
      {"rdcp://db2", "db2", ".", 0},
      {"rdcp://db2/", "db2", ".", 0},
      {"rdcp://db2//a", "db2", "a", 0},
      {"rdcp://db2/a:b@c?d#e%20", "db2", "a:b@c?d#e%20", 0},
      {"rdcp://db2:1/a/b/", "db2", "a/b/", 1},
      {"rdcp://db2:65535", "db2", ".", 65535},
      {"rdcp://[::1]:7470/x", "::1", "x", 7470},
      {"rdcp://[::1]/x", "::1", "x", 0},
  }));
  CAPTURE(example.text);
  CHECK(parse_host_path(example.text) == HostPath{"", example.host, example.path, true, example.port});
}

TEST_CASE("what only looks like a server's path is none") {
  CHECK(parse_host_path("./a::b") == HostPath{"", "", "./a::b"});
  CHECK(parse_host_path("a/rdcp://b") == HostPath{"", "", "a/rdcp://b"});
  CHECK(parse_host_path("rdcp:/x") == HostPath{"", "rdcp", "/x"});
  CHECK(parse_host_path("db2:./:x") == HostPath{"", "db2", "./:x"});
}

TEST_CASE("a server's refused operand says what is wrong") {
  for (const char* text : {"me@db2::x", "me@[::1]::x", "rdcp://me@db2/x", "rdcp://me@db2:1/x", "@db2::x"}) {
    CHECK(refusal_of(text).status() == Status::kUsage);
    CHECK(refusal_of(text).cause() == "a server knows keys, not users");
  }
  for (const char* text : {"::x", "::", "rdcp://", "rdcp:///x", "rdcp://:1/x"}) {
    CHECK(refusal_of(text).cause() == "the host is empty");
  }
  for (const char* text : {"rdcp://db2:/x", "rdcp://db2:0/x", "rdcp://db2:65536/x", "rdcp://db2:1x/x",
                           "rdcp://db2:-1", "rdcp://fe80::1/x", "rdcp://db2:1:2/x"}) {
    CHECK(refusal_of(text).cause() == "the port is no number from 1 to 65535");
  }
  for (const char* text : {"[::1]", "[]::x", "rdcp://[::1/x", "rdcp://[::1]1/x", "rdcp://a b/x", "h;ls::x"}) {
    CHECK(refusal_of(text).cause() == "the host has a character that no host has");
  }
  CHECK(refusal_of("-x::y").cause() == "a host does not begin with '-'");
}

TEST_CASE("a port between two colons is refused, with how to write it") {
  for (const char* text :
       {"db2:7471::data", "db2:7471::", "me@db2:7471::data", "[::1]:7471::data", "db2:7::/"}) {
    CAPTURE(text);
    CHECK(refusal_of(text).status() == Status::kUsage);
    CHECK(refusal_of(text).cause() == "a port is not written like this");
  }
  CHECK(refusal_of("me@[::1]:7471::a").hint() ==
        "of a server: rdcp://[::1]:7471/a, or --port=7471; a path by way of ssh: me@[::1]:./7471::a");
  CHECK(parse_host_path("db2:./7471::data") == HostPath{"", "db2", "./7471::data"});
  CHECK(parse_host_path("db2:7471:data") == HostPath{"", "db2", "7471:data"});
  CHECK(parse_host_path("db2:7x::data") == HostPath{"", "db2", "7x::data"});
  CHECK(parse_host_path("./db2:7471::data") == HostPath{"", "", "./db2:7471::data"});
  CHECK(parse_host_path("db2::7471::data") == HostPath{"", "db2", "7471::data", true});
}

TEST_CASE("a host is the same for the same user only") {
  const HostPath one{"me", "db2", "x"};
  CHECK(one.same_host({"me", "db2", "y"}));
  CHECK(!one.same_host({"you", "db2", "x"}));
  CHECK(!one.same_host({"", "db2", "x"}));
  CHECK(!one.same_host({"me", "db3", "x"}));
  CHECK(!one.same_host({"me", "db2", "x", true}));
  CHECK(!HostPath{"", "db2", "x", true}.same_host({"", "db2", "x", true, 7470}));
  CHECK(HostPath{"", "db2", "x", true, 1}.same_host({"", "db2", "y", true, 1}));
  CHECK(one.is_remote());
  CHECK(HostPath{"", "db2", "x", true}.is_remote());
  CHECK(!HostPath{"", "", "x"}.is_remote());
}

TEST_CASE("a leading tilde is a home directory") {
  const Home home = own_home();
  CHECK(expand_home("~") == (home.user.empty() ? "~" : home.directory));
  CHECK(expand_home("~/a ~/b") == (home.user.empty() ? "~" : home.directory) + "/a ~/b");
  if (!home.user.empty()) {
    const passwd* named = ::getpwnam(home.user.c_str());  // of several with one number, perhaps another
    REQUIRE(named != nullptr);
    CHECK(expand_home("~" + home.user) == named->pw_dir);
    CHECK(expand_home("~" + home.user + "/x") == std::string(named->pw_dir) + "/x");
  }
}

TEST_CASE("what is no home directory stays as it is") {
  const std::string path = GENERATE("", "x", "/~", "./~", "a/~/b", " ~", "~no:such user/x", "~no:such user");
  CHECK(expand_home(path) == path);
}
