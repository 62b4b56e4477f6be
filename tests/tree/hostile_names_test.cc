// A sender that was asked for certain names gives them to the receiver, and no others.
#include "catch.h"
#include "tree/hostile.h"

using namespace rdpipe;
using namespace rdpipe::test;

namespace {

CopyOptions asking_for(const std::string& source) {
  CopyOptions options = archive();
  options.requested = {source};
  return options;
}

bool is_taken(const std::string& asked, const std::string& name) {
  CAPTURE(asked, name);
  HostileSender sender(asking_for(asked));
  sender.entry(file(name)).content_of(0, "right").end().run();
  sender.check_outside();
  const bool taken = fs::exists(sender.scratch / ("dst/" + name));
  if (!taken) sender.check_refused();
  return taken;
}

}  // namespace

TEST_CASE("a sender that was asked for one name sends no other") {
  const auto refused = [](const std::string& asked, const std::function<void(HostileSender&)>& say) {
    CopyOptions pull = archive();
    pull.requested = {asked};
    HostileSender sender(pull);
    put(sender.scratch / "dst/.bashrc", "mine");
    say(sender);
    sender.end().run().check_refused();
    CHECK(get(sender.scratch / "dst/.bashrc") == "mine");
    CHECK(sender.scratch.entries().size() == 2);
  };
  const auto bashrc = [](HostileSender& s) { s.entry(file(".bashrc")).frame().content_of(0, "evil!"); };
  const auto top = [](HostileSender& s) {
    s.contents().entry(file(".bashrc", 1)).frame().content_of(1, "evil!");
  };
  for (const char* asked : {"wanted", "dir/wanted", "/wanted", "wanted/.bashrc/wanted", "*.txt", "[a-z]*"}) {
    refused(asked, bashrc);
    refused(asked, top);
  }
  refused("wanted/", bashrc);
  refused("wanted", [](HostileSender& s) {
    s.entry(file("wanted")).entry(file(".bashrc")).frame().content_of(0, "right").content_of(1, "evil!");
  });
}

TEST_CASE("a tilde in a source's last component stands for nothing else") {
  for (const char* asked : {"dir/~x", "/dir/~x", "./~x", "~/~x", "dir/~", "~x"}) {
    for (const char* name : {".bashrc", "x", "victim", "~y", "~xy"}) CHECK_FALSE(is_taken(asked, name));
  }
  CHECK(is_taken("dir/~x", "~x"));
  CHECK(is_taken("~/~x", "~x"));
}

TEST_CASE("a pattern takes what glob makes of it") {
  for (const char* asked : {"*", "dir/*", "~/*", "?bashrc", "[!a]bashrc", "[.]bashrc", "**"})
    CHECK_FALSE(is_taken(asked, ".bashrc"));
  CHECK_FALSE(is_taken("*.txt", "x.txt.sh"));
  CHECK_FALSE(is_taken("*/x", "y"));
  CHECK_FALSE(is_taken("a\\*", "ab"));
  CHECK_FALSE(is_taken("[a-c]x", "dx"));
  CHECK(is_taken("*", "x"));
  CHECK(is_taken("dir*/*.txt", "x.txt"));
  CHECK(is_taken(".*", ".bashrc"));
  CHECK(is_taken("[a-c]x", "bx"));
  CHECK(is_taken("[a-c]x", "[a-c]x"));  // there by its literal name
  CHECK(is_taken("[[:digit:]]", "7"));
}
