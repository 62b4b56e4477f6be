// What becomes of the other names of something whose first name cannot be put in place: the next one stands
// in for it, as it would have come by itself.
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "catch.h"
#include "tree/hostile.h"
#include "tree/trees.h"

using namespace rdpipe;
using namespace rdpipe::test;
using namespace std::literals;

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kLongAgo = 1'000'000'000;

// "src/first" has the names "src/later/second" and "src/later/third", and comes before them; a directory that
// is not to be deleted is in its way.
struct Names : Scratch {
  explicit Names(const std::string& content) {
    fs::create_directories(*this / "src/later");
    fs::create_directories(*this / "dst/first/full");
    fs::create_directories(*this / "dst/later");
    put(*this / "src/first", content);
    set_time(*this / "src/first", kLongAgo, 0);
    for (const char* name : {"src/later/second", "src/later/third"})
      fs::create_hard_link(*this / "src/first", *this / name);
  }
  [[nodiscard]] Copied copy(const CopyOptions& options) const {
    return copy_trees({*this / "src/"}, *this / "dst", options);
  }
  void check_blocked() const { CHECK(fs::is_directory(*this / "dst/first/full")); }
  void check_later(const std::string& content) const {
    check_blocked();
    for (const char* name : {"dst/later/second", "dst/later/third"}) {
      REQUIRE(fs::exists(*this / name));
      CHECK(get(*this / name) == content);
      CHECK(fs::hard_link_count(*this / name) == 2);
      CHECK(stat_of(*this / name).st_mtim.tv_sec == kLongAgo);
    }
  }
};

std::string attribute_of(const std::string& path, const char* name) {
  std::array<char, 256> value{};
  const ssize_t size = ::getxattr(path.c_str(), name, value.data(), value.size());
  return size < 0 ? "none" : std::string(value.data(), static_cast<std::size_t>(size));
}

EntryRecord link_to(std::uint64_t head, EntryRecord entry) {
  entry.head = head;
  return entry;
}

// A sender of a file "first", entry 1, that others are to be links to and that has a directory in its way.
struct HostileHead : HostileSender {
  HostileHead() {
    fs::create_directories(scratch / "dst/first/full");
    EntryRecord head = file("first", 1);
    head.is_head = true;
    contents().entry(head);
  }
};

}  // namespace

TEST_CASE("other names of what cannot be put in place are names of one of them, once and again") {
  const std::string content = GENERATE(""s, "content"s, std::string(3_MiB, 'L'));
  const bool checksum = GENERATE(false, true);
  const Names names(content);
  CopyOptions options = archive();
  options.checksum = checksum;
  Copied copied = names.copy(options);
  CHECK(copied.report.status() == 23);
  CHECK(copied.report.failed == 1);
  CHECK(copied.notices.size() == 1);
  CHECK(copied.report.files_moved == 1);
  names.check_later(content);
  copied = names.copy(options);
  CHECK(copied.report.failed == 1);
  CHECK(copied.report.files_moved == 0);
  CHECK(copied.listed == std::vector<std::string>{});
  names.check_later(content);
}

TEST_CASE("names of what could not be put in place are those of another one") {
  const std::string content = GENERATE(""s, "content"s, std::string(3_MiB, 'L'));
  for (const std::string kind : {"file", "symlink"}) {
    CAPTURE(content.size(), kind);
    const Scratch scratch;
    fs::create_directories(scratch / "src");
    if (kind == "file") put(scratch / "src/0", content);
    if (kind == "symlink") fs::create_symlink("nowhere", scratch / "src/0");
    set_time(scratch / "src/0", kLongAgo, 0);
    const std::string first = scratch / "src/0";
    for (const std::string name : {"src/1", "src/2", "src/3"})
      REQUIRE(::linkat(AT_FDCWD, first.c_str(), AT_FDCWD, (scratch / name).c_str(), 0) == 0);
    // Directories are in the way of those that come first, whichever they are, and are not to be deleted.
    std::vector<std::string> order;
    for (const auto& entry : fs::directory_iterator(scratch / "src"))
      order.push_back(entry.path().filename());
    for (std::size_t blocked : {0U, 1U})
      fs::create_directories(scratch / ("dst/" + order[blocked] + "/full"));
    put(scratch / ("dst/" + order[2]), "before");
    CopyOptions options = archive();
    options.remove_source_files = true;
    const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
    CHECK(copied.report.status() == 23);
    CHECK(copied.report.failed == 2);
    CHECK(copied.notices.size() == 2);
    for (std::size_t blocked : {0U, 1U}) CHECK(fs::exists(scratch / ("dst/" + order[blocked] + "/full")));
    for (std::size_t placed : {2U, 3U}) {
      const std::string path = scratch / ("dst/" + order[placed]);
      if (kind == "file") CHECK(get(path) == content);
      if (kind == "symlink") CHECK(fs::read_symlink(path) == "nowhere");
      struct stat placed_as {};
      REQUIRE(::lstat(path.c_str(), &placed_as) == 0);
      CHECK(placed_as.st_nlink == 2);
    }
    for (const std::string& name : order) CHECK(fs::exists(fs::symlink_status(scratch / ("src/" + name))));
  }
}

TEST_CASE("a symlink that could not be put in place stays what it was, and its other name comes") {
  for (const char* name : {"first", "second"}) {  // whichever comes first
    CAPTURE(name);
    const Scratch scratch;
    fs::create_directories(scratch / "src");
    fs::create_symlink("nowhere", scratch / "src/first");
    const std::string first = scratch / "src/first", second = scratch / "src/second";
    REQUIRE(::linkat(AT_FDCWD, first.c_str(), AT_FDCWD, second.c_str(), 0) == 0);
    fs::create_directories(scratch / ("dst/"s + name + "~/full"));  // in the way of its backup
    for (const char* old : {"first", "second"}) put(scratch / ("dst/"s + old), "before");
    CopyOptions options = archive();
    options.backup = true;
    const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
    CHECK(copied.report.failed > 0);
    CHECK(get(scratch / ("dst/"s + name)) == "before");
    CHECK(fs::hard_link_count(scratch / ("dst/"s + name)) == 1);
    const std::string other = name == "first"s ? "second" : "first";
    CHECK(fs::read_symlink(scratch / ("dst/" + other)) == "nowhere");
  }
}

TEST_CASE("what stands in for the first name has its ACL and its extended attributes") {
  const Names names("content");
  const std::string first = names / "src/first";
  // Of the user 12345, and as the kernel has it: version, then tag, rights and id of each, little-endian.
  const auto acl =
      "\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x06\0\x39\x30\0\0\x04\0\0\0\xff\xff\xff\xff"
      "\x10\0\x06\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff"s;
  if (::setxattr(first.c_str(), "system.posix_acl_access", acl.data(), acl.size(), 0) == -1 ||
      ::setxattr(first.c_str(), "user.note", "kept", 4, 0) == -1) {
    WARN("skipped: no ACLs or extended attributes here");
    return;
  }
  for (int run = 1; run <= 2; ++run) {
    CAPTURE(run);
    const Copied copied = names.copy(archive());
    CHECK(copied.report.failed == 1);
    CHECK(copied.listed.empty() == (run == 2));
    names.check_later("content");
    for (const char* name : {"dst/later/second", "dst/later/third"}) {
      CHECK(attribute_of(names / name, "system.posix_acl_access") == acl);
      CHECK(attribute_of(names / name, "user.note") == "kept");
    }
  }
}

TEST_CASE("what stands in for the first name goes on from its partial file") {
  const std::string content = pattern(5'000'000);
  const Names names(content);
  for (const char* part : {"dst/later/.second.rdpipe-partial", "dst/later/.third.rdpipe-partial"})
    put(names / part, content.substr(0, 3 * 1'048'576 + 17));
  CopyOptions options = archive();
  options.partial = true;
  const Copied copied = names.copy(options);
  CHECK(copied.report.failed == 1);
  CHECK(copied.report.bytes_reused >= 3 * 1'048'576);
  names.check_later(content);
}

TEST_CASE("a dry run of names of what cannot be put in place changes nothing") {
  const Names names("content");
  CopyOptions options = archive();
  options.dry_run = true;
  const Copied copied = names.copy(options);
  CHECK(copied.report.failed == 1);
  CHECK(copied.report.files_moved == 1);
  CHECK(fs::is_empty(names / "dst/later"));
  names.check_blocked();
}

TEST_CASE("what is left as it is stands in for the first name, and nothing is linked to it") {
  const Names names("content");
  for (const char* name : {"dst/later/second", "dst/later/third"}) put(names / name, "mine");
  CopyOptions options = archive();
  options.update = true;
  const Copied copied = names.copy(options);
  CHECK(copied.report.status() == 23);
  names.check_blocked();
  for (const char* name : {"dst/later/second", "dst/later/third"}) CHECK(get(names / name) == "mine");
}

TEST_CASE("a directory that cannot be made holds up no name outside it") {
  const Scratch scratch;
  fs::create_directories(scratch / "src/sub");
  fs::create_directories(scratch / "src/other");
  put(scratch / "src/sub/one", "content");
  fs::create_hard_link(scratch / "src/sub/one", scratch / "src/other/two");
  fs::create_directories(scratch / "dst");
  put(scratch / "dst/sub", "mine");
  fs::create_directories(scratch / "dst/sub~/full");  // in the way of its backup
  CopyOptions options = archive();
  options.backup = true;
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
  CHECK(copied.report.status() == 23);
  CHECK(get(scratch / "dst/sub") == "mine");
  REQUIRE(fs::exists(scratch / "dst/other/two"));
  CHECK(get(scratch / "dst/other/two") == "content");
}

TEST_CASE("a name that another source has brought is none that others are linked to") {
  const Scratch scratch;
  for (const std::string source : {"one", "two"}) {
    fs::create_directories(scratch / (source + "/later"));
    put(scratch / (source + "/first"), source);
    fs::create_hard_link(scratch / (source + "/first"), scratch / (source + "/later/of-" + source));
  }
  const Copied copied = copy_trees({scratch / "one/", scratch / "two/"}, scratch / "dst", archive());
  CHECK(copied.report.failed == 1);
  CHECK(get(scratch / "dst/first") == "one");
  CHECK(get(scratch / "dst/later/of-one") == "one");
  CHECK(get(scratch / "dst/later/of-two") == "two");
  CHECK(fs::hard_link_count(scratch / "dst/later/of-two") == 1);
}

TEST_CASE("a hard link that is wanted as a file comes as one, and no other does") {
  SECTION("as a file, and the next is linked to it") {
    HostileHead sender;
    sender.entry(link_to(1, file("second", 1))).entry(link_to(1, file("third", 1)));
    sender.content_of(2, "right").frame().record(LinkRecord{3}).end().run();
    CHECK_FALSE(sender.error.has_value());
    CHECK(get(sender.scratch / "dst/second") == "right");
    CHECK(fs::hard_link_count(sender.scratch / "dst/third") == 2);
    sender.check_outside();
  }
  SECTION("as a link to what is not there") {
    HostileHead sender;
    sender.entry(link_to(1, file("second", 1))).frame().record(LinkRecord{2}).end().run().check_refused();
  }
  SECTION("as both") {
    HostileHead sender;
    sender.entry(link_to(1, file("second", 1))).content_of(2, "right").frame();
    sender.record(LinkRecord{2}).end().run().check_refused();
  }
  SECTION("not at all") {
    HostileHead sender;
    sender.entry(link_to(1, file("second", 1))).frame().end().run().check_refused();
  }
  SECTION("the next one too, which is to be a link") {
    HostileHead sender;
    sender.entry(link_to(1, file("second", 1))).entry(link_to(1, file("third", 1)));
    sender.content_of(2, "right").content_of(3, "wrong").end().run().check_refused();
  }
  SECTION("of another kind than the first") {
    HostileHead sender;
    sender.entry(link_to(1, link_entry("second", "victim", 1))).entry(link_to(1, file("third", 1)));
    sender.frame().record(LinkRecord{2}).record(LinkRecord{3}).end().run().check_said();
    CHECK(fs::is_directory(sender.scratch / "dst/first/full"));
  }
}
