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

TEST_CASE("what the user's own options leave out is refused") {
  using Set = std::function<void(CopyOptions&)>;
  using Say = std::function<void(HostileSender&)>;
  const auto comes = [](const Set& set, const Say& say) {
    CopyOptions options = asking_for("dir/");
    set(options);
    HostileSender sender(options);
    say(sender.contents());
    sender.end().run();
    if (sender.error) sender.check_refused();
    return !sender.error;
  };
  const Say a_directory = [](HostileSender& s) { s.entry(directory("d", 1)); };
  const Say a_symlink = [](HostileSender& s) { s.entry(link_entry("s", "elsewhere", 1)); };
  const Say a_symlink_out = [](HostileSender& s) {
    s.entry(directory("d", 1)).entry(link_entry("s", "../../elsewhere", 2));
  };
  const Say a_symlink_up = [](HostileSender& s) {
    s.entry(directory("d", 1)).entry(link_entry("s", "../elsewhere", 2));
  };
  const Say a_note = [](HostileSender& s) {
    s.entry(directory("d", 1)).entry(file("note.txt", 2)).frame().content_of(2, "right");
  };
  const Set nothing = [](CopyOptions&) {};
  for (const Say& say : {a_directory, a_symlink, a_symlink_out, a_note}) CHECK(comes(nothing, say));

  const Set flat = [](CopyOptions& options) { options.recursive = false; };
  CHECK_FALSE(comes(flat, [](HostileSender&) {}));
  const Set follows = [](CopyOptions& options) { options.copy_links = true; };
  CHECK_FALSE(comes(follows, a_symlink));
  const Set safe = [](CopyOptions& options) { options.safe_links = true; };
  CHECK(comes(safe, a_symlink_up));
  CHECK_FALSE(comes(safe, a_symlink_out));
  const Set excludes = [](CopyOptions& options) { options.filters = {{false, "/d/*.txt"}}; };
  CHECK(comes(excludes, a_symlink_up));
  CHECK_FALSE(comes(excludes, a_note));
  const Set excludes_all = [](CopyOptions& options) { options.filters = {{true, "d/"}, {false, "*"}}; };
  CHECK(comes(excludes_all, a_directory));
  CHECK_FALSE(comes(excludes_all, a_symlink));
}

TEST_CASE("of a list of files nothing else is taken") {
  const auto comes = [](bool recursive, const std::function<void(HostileSender&)>& say) {
    CopyOptions options = asking_for("dir");
    options.recursive = recursive;
    options.files_from = {"./a/b", "top", "c"};
    HostileSender sender(options);
    say(sender.contents());
    sender.end().run();
    if (sender.error) sender.check_refused();
    return !sender.error;
  };
  const auto entries = [](const std::vector<EntryRecord>& list) {
    return [list](HostileSender& s) {
      for (const EntryRecord& entry : list) s.entry(entry);
    };
  };
  for (const bool recursive : {false, true}) {
    CAPTURE(recursive);
    CHECK(comes(recursive, entries({link_entry("top", "t", 1), directory("a", 1), link_entry("b", "t", 2)})));
    CHECK_FALSE(comes(recursive, entries({link_entry("other", "t", 1)})));
    CHECK_FALSE(comes(recursive, entries({directory("other", 1)})));
    CHECK_FALSE(comes(recursive, entries({directory("a", 1), link_entry("other", "t", 2)})));
    CHECK_FALSE(comes(recursive, entries({link_entry("a", "t", 1)})));
    CHECK(comes(recursive, entries({directory("c", 1), link_entry("below", "t", 2)})) == recursive);
    CHECK_FALSE(comes(recursive, [](HostileSender& s) { s.entry(directory("dir")); }));
  }
}
