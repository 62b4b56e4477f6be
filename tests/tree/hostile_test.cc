// A sender of trees that does not play by the rules. Whatever it says: nothing outside the target changes,
// nothing arrives that was not asked for, and the other end says so in an error of status 12 or in the line
// of a file.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <functional>
#include <optional>

#include "catch.h"
#include "tree/hostile.h"

using namespace rdpipe;
using namespace rdpipe::test;
using namespace std::literals;

namespace fs = std::filesystem;

TEST_CASE("names that lead anywhere are refused") {
  for (const std::string_view name :
       {".."sv, ""sv, "a/b"sv, "/etc/passwd"sv, "../outside/victim"sv, "a\0b"sv, "/"sv}) {
    for (const std::uint64_t parent : {0U, 1U}) {
      HostileSender sender;
      if (parent == 1) sender.contents();
      sender.entry(file(name, parent)).content_of(parent, "evil!").end().run().check_refused();
      CHECK(fs::is_empty(sender.scratch / "dst"));
    }
  }
  HostileSender sender;
  const std::string long_name(256, 'x');
  sender.contents().entry(file(long_name, 1)).content_of(1, "evil!").end().run().check_refused();
}

TEST_CASE("a dot that is no top is refused") {
  HostileSender sender;
  sender.contents().entry(directory(".", 1)).end().run().check_refused();
}

TEST_CASE("a name comes once") {
  HostileSender twice;
  twice.contents()
      .entry(file("x", 1))
      .entry(file("x", 1))
      .content_of(1, "one")
      .content_of(2, "two")
      .end()
      .run();
  twice.check_refused();
  HostileSender kinds;
  kinds.contents().entry(file("x", 1)).entry(directory("x", 1)).end().run().check_refused();
}

TEST_CASE("a symlink that was just sent is no directory to go through") {
  for (const bool first : {true, false}) {
    HostileSender sender;
    const std::string target = sender.scratch / "outside";
    sender.contents();
    if (first) sender.entry(link_entry("d", target, 1)).entry(directory("d", 1));
    if (!first) sender.entry(directory("d", 1)).entry(link_entry("d", target, 1));
    sender.entry(file("victim", 2)).content_of(3, "evil!").end().run().check_refused();
  }
  HostileSender top;  // where names of several sources may meet
  const std::string target = top.scratch / "outside";
  top.entry(link_entry("d", target))
      .entry(directory("d"))
      .entry(file("victim", 1))
      .content_of(2, "evil!")
      .end()
      .run();
  top.check_said();
}

TEST_CASE("a directory that becomes a symlink is not followed") {
  CopyOptions options = archive();
  options.delete_extra = true;
  HostileSender sender(options);
  const auto plant = [&] {
    fs::rename(sender.scratch / "dst/d", sender.scratch / "dst/moved");
    fs::create_directory_symlink(sender.scratch / "outside", sender.scratch / "dst/d");
  };
  sender.contents().entry(directory("d", 1)).entry(file("victim", 2)).entry(file("more", 2)).meanwhile(plant);
  sender.content_of(2, "evil!").content_of(3, "evil!").entry(file("late", 2)).entry(directory("below", 2));
  sender.frame()
      .content_of(4, "evil!")
      .record(DirectoryEndRecord{3, true})
      .record(DirectoryEndRecord{2, true});
  sender.end().run();
  sender.check_outside();
}

TEST_CASE("a target that becomes a symlink is replaced") {
  HostileSender sender;
  const std::string victim = sender.scratch / "outside/victim";
  const auto plant = [&] {
    fs::create_symlink(victim, sender.scratch / "dst/small");
    fs::create_symlink(victim, sender.scratch / "dst/large");
  };
  sender.contents().entry(file("small", 1)).entry(file("large", 1, kLargeSize)).meanwhile(plant);
  sender.content_of(1, "small").frame().large_of(2).end().run();
  sender.check_outside();
  CHECK_FALSE(fs::is_symlink(sender.scratch / "dst/small"));
  CHECK_FALSE(fs::is_symlink(sender.scratch / "dst/large"));
}

TEST_CASE("a directory has ended where the stream says so, whatever is still being written") {
  CopyOptions options = archive();
  options.delete_extra = true;
  HostileSender sender(options);
  sender.contents().entry(directory("d", 1)).entry(file("f", 2)).meanwhile([] {});
  sender.content_of(2, "first").record(DirectoryEndRecord{2, true});
  sender.entry(link_entry("late", "anywhere", 2)).end().run().check_refused();
}

TEST_CASE("what is to be kept is known before its directory ends, whatever was decided before") {
  CopyOptions options = archive();
  options.delete_extra = true;
  HostileSender sender(options);
  fs::create_directories(sender.scratch / "dst/run");
  put(sender.scratch / "dst/run/extra", "extra");
  put(sender.scratch / "dst/run/socket", "kept");
  sender.contents().entry(directory("run", 1)).entry(file("seen", 1)).meanwhile([] {});
  // One frame, of which nothing is decided when it comes.
  for (int number = 0; number < 4000; ++number) sender.record(KeepRecord{2, std::to_string(number)});
  sender.record(KeepRecord{2, "socket"}).record(DirectoryEndRecord{2, true});
  sender.content_of(2, "seen!").record(DirectoryEndRecord{1, true}).end().run();
  CHECK_FALSE(sender.error.has_value());
  CHECK_FALSE(fs::exists(sender.scratch / "dst/run/extra"));
  CHECK(get(sender.scratch / "dst/run/socket") == "kept");
}

TEST_CASE("more directories may end than are finished meanwhile") {
  constexpr std::uint64_t kDirectories = 132'000;
  CopyOptions options = archive();
  options.dry_run = true;
  HostileSender sender(options);
  sender.contents();
  for (std::uint64_t number = 0; number < kDirectories; ++number)
    sender.entry(directory(std::to_string(number), 1));
  sender.entry(file("last", 1)).busy_for(std::chrono::milliseconds(500));
  for (std::uint64_t number = 0; number <= kDirectories; ++number)
    sender.record(DirectoryEndRecord{kDirectories + 1 - number, true});
  sender.end().run();
  CHECK(sender.text == "");
  CHECK(sender.report.created == kDirectories + 1);
}

TEST_CASE("parents that are not open are refused") {
  HostileSender unknown;
  unknown.contents().entry(file("x", 9)).end().run().check_refused();
  HostileSender ended;
  ended.contents().entry(directory("d", 1)).record(DirectoryEndRecord{2, true}).meanwhile([] {});
  ended.entry(file("late", 2)).content_of(2, "late!").end().run().check_refused();
  HostileSender never;
  never.contents().record(DirectoryEndRecord{7, true}).end().run().check_refused();
  HostileSender twice;
  twice.contents().entry(directory("d", 1)).record(DirectoryEndRecord{2, true}).frame();
  twice.record(DirectoryEndRecord{2, true}).end().run().check_refused();
}

TEST_CASE("a hard link goes to an entry of this copy") {
  for (const std::uint64_t head : {1U, 3U, 77U}) {  // a directory, itself, nothing
    HostileSender sender;
    put(sender.scratch / "dst/there", "not of this copy");
    EntryRecord link = file("link", 1);
    link.head = head == 1 ? 0 : head;
    sender.contents()
        .entry(file("x", 1))
        .entry(link_entry("s", "victim", 1))
        .entry(link)
        .content_of(1, "right")
        .frame();
    sender.record(LinkRecord{3}).end().run().check_said();
    CHECK_FALSE(fs::exists(fs::symlink_status(sender.scratch / "dst/link")));
  }
  HostileSender no_link;
  no_link.contents()
      .entry(file("x", 1))
      .content_of(1, "right")
      .record(LinkRecord{1})
      .end()
      .run()
      .check_refused();
}

TEST_CASE("devices come with --devices alone, special bits with -p alone") {
  CopyOptions plain;
  plain.recursive = true;
  HostileSender sender(plain);
  EntryRecord setuid = file("setuid", 1), setgid = directory("setgid", 1);
  setuid.mode = setgid.mode = 07777;
  sender.contents().entry(device("null", 1)).entry(setuid).entry(setgid).frame().content_of(2, "shell");
  sender.end().run().check_outside();
  CHECK_FALSE(sender.error.has_value());
  CHECK(fs::exists(sender.scratch / "dst/setuid"));
  CHECK_FALSE(fs::exists(sender.scratch / "dst/null"));
  for (const char* name : {"dst/setuid", "dst/setgid"}) {
    if (fs::exists(sender.scratch / name)) CHECK((stat_of(sender.scratch / name).st_mode & 07000) == 0);
  }
}

TEST_CASE("an owner comes with -o alone") {
  CopyOptions plain;
  plain.recursive = plain.perms = true;
  HostileSender sender(plain);
  EntryRecord entry = file("x", 1);
  entry.uid = entry.gid = 12345;
  sender.contents().entry(entry).frame().content_of(1, "right").end().run().check_outside();
  REQUIRE(fs::exists(sender.scratch / "dst/x"));
  CHECK(stat_of(sender.scratch / "dst/x").st_uid == ::geteuid());
  CHECK(stat_of(sender.scratch / "dst/x").st_gid != 12345);
}

TEST_CASE("content comes of what was wanted, once, and as listed") {
  const auto refused = [](const std::function<void(HostileSender&)>& say) {
    HostileSender sender;
    sender.contents().entry(file("x", 1)).entry(file("large", 1, kLargeSize)).frame();
    say(sender);
    sender.end().run().check_refused();
  };
  refused([](HostileSender& s) { s.content_of(9, "evil!"); });
  refused([](HostileSender& s) { s.content_of(0, "evil!"); });
  refused([](HostileSender& s) { s.content_of(1, "right").content_of(1, "again"); });
  refused([](HostileSender& s) { s.large_of(9); });
  refused([](HostileSender& s) {
    s.record(RecordType::kData, {2, ~0ULL >> 1, ~0ULL >> 1}).frame().raw("x");
  });
  refused([](HostileSender& s) { s.record(RecordType::kData, {2, ~0ULL, 10}).frame().raw("0123456789"); });
  refused([](HostileSender& s) { s.record(RecordType::kSame, {2, 0, 1_MiB}); });
  refused([](HostileSender& s) { s.record(EndFileRecord{}); });
  refused([](HostileSender& s) { s.large_of(2).record(EndFileRecord{2, {}, kLargeSize, 0, 0}); });
  refused([](HostileSender& s) { s.record(RecordType::kData, {2, 0, 10}).raw("more in the same frame"); });
  refused([](HostileSender& s) { s.record(RecordType::kData, {2, 0, 10}).frame().raw("more than it said"); });
  refused([](HostileSender& s) { s.content_of(1, "right"); });  // and nothing of the large one
}

TEST_CASE("a large file with a gap, or shorter than it says, is not in place") {
  HostileSender sender;
  sender.contents()
      .entry(file("large", 1, kLargeSize))
      .frame()
      .record(RecordType::kData, {1, 4096, 4096})
      .frame();
  sender.raw(std::string(4096, 'x')).frame();
  sender.record(EndFileRecord{1, FileStatus::kWhole, kLargeSize, 0, 0}).end().run().check_said();
  CHECK_FALSE(fs::exists(sender.scratch / "dst/large"));
}

TEST_CASE("records that make no sense are refused") {
  int which = 0;
  const auto refused = [&which](const std::function<void(HostileSender&)>& say) {
    CAPTURE(++which);
    HostileSender sender;
    say(sender);
    sender.run().check_refused();
  };
  refused([](HostileSender& s) { s.contents(); });                            // no END
  refused([](HostileSender& s) { s.contents().end().end(); });                // two
  refused([](HostileSender& s) { s.contents().end().entry(file("x", 1)); });  // more behind it
  refused([](HostileSender& s) { s.record(BeginRecord{.sources = 1}).contents().end(); });
  refused([](HostileSender& s) { s.raw("\x02\x7e\x00"s).end(); });              // unknown type
  refused([](HostileSender& s) { s.raw("\xff\xff\xff\xff\x0f\x03"s).end(); });  // 4 GiB of ENTRY
  refused([](HostileSender& s) { s.raw("\x05\x03"s); });                        // cut off
  refused([](HostileSender& s) { s.contents().end().raw("\x05\x03"s); });       // ... behind END
  refused([](HostileSender& s) { s.raw("\x00"s).end(); });                      // without a type
  refused([](HostileSender& s) {
    EntryRecord entry = file("x");
    entry.nanoseconds = 2'000'000'000;
    s.entry(entry).end();
  });
  refused([](HostileSender& s) {
    EntryRecord entry = file("x");
    entry.mode = 0177777;
    s.entry(entry).end();
  });
  refused([](HostileSender& s) { s.entry(link_entry("s", "a\0b"sv)).end(); });
  refused([](HostileSender& s) { s.entry(link_entry("s", "")).end(); });
  refused([](HostileSender& s) { s.entry(file("x", 0, ~0ULL)).end(); });
}

TEST_CASE("wrong counts at the end are found") {
  for (const auto count : {&EndRecord::entries, &EndRecord::files, &EndRecord::directories,
                           &EndRecord::symlinks, &EndRecord::specials, &EndRecord::file_bytes}) {
    HostileSender sender;
    EndRecord end;
    end.add(directory("."));
    end.add(file("x", 1));
    end.*count = 99;
    sender.contents().entry(file("x", 1)).content_of(1, "right").record(end).run().check_refused();
  }
}

TEST_CASE("lines of the peer cannot draw on the terminal") {
  HostileSender sender;
  sender.contents().record(LineRecord{"\x1b[2J\x07rdcp: all is well\nrdcp: error: not so\r"}).end().run();
  sender.check_outside();
  for (const std::string& line : sender.notices)
    for (const char byte : line) CHECK(static_cast<unsigned char>(byte) >= ' ');
}

TEST_CASE("attributes are those that were asked for") {
  CopyOptions plain;
  plain.recursive = true;
  HostileSender sender(plain);
  EntryRecord entry = file("x", 1);
  entry.xattrs = {{"user.evil", "1"}, {"security.capability", "1"}, {"system.posix_acl_access", "1"}};
  sender.contents().entry(entry).frame().content_of(1, "right").end().run().check_outside();
  REQUIRE(fs::exists(sender.scratch / "dst/x"));
  std::array<char, 4096> names{};
  const auto size = ::listxattr((sender.scratch / "dst/x").c_str(), names.data(), names.size());
  REQUIRE(size >= 0);
  const std::string_view found(names.data(), static_cast<std::size_t>(size));
  CHECK(found.find("evil") == found.npos);
  CHECK(found.find("capability") == found.npos);
  CHECK(found.find("acl") == found.npos);

  HostileSender malformed;
  entry.xattrs = {{"system.posix_acl_access", "no ACL"}};
  malformed.contents().entry(entry).end().run().check_said();
}

TEST_CASE("a sender of another version is told so") {
  HostileSender sender(archive(), 1);
  sender.contents().end().run().check_outside();
  CHECK(sender.error == Status::kProtocol);
  CHECK_THAT(sender.text, Catch::Contains("protocol 1, this is 2"));
}
