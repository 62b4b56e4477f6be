// How large files are written: into what is there, and as the kernel copies them within one process.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <initializer_list>

#include "catch.h"
#include "tree/trees.h"

using namespace rdpipe;
using namespace rdpipe::test;
using namespace std::literals;

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLarge = 3'000'000;

CopyOptions in_place() {
  CopyOptions options = archive();
  options.inplace = true;
  return options;
}

}  // namespace

TEST_CASE("a large file is written into the one that is there") {
  const Scratch scratch;
  fs::create_directories(scratch / "src");
  fs::create_directories(scratch / "dst");
  put(scratch / "src/large", pattern(kLarge));
  put(scratch / "src/small", "new");
  put(scratch / "src/holes", "");
  ::truncate((scratch / "src/holes").c_str(), kLarge);
  put(scratch / "dst/large", pattern(2 * kLarge, 5));
  put(scratch / "dst/small", "old!");
  put(scratch / "dst/holes", pattern(kLarge + 1, 6));
  fs::create_hard_link(scratch / "dst/large", scratch / "other");
  const auto before = stat_of(scratch / "dst/large").st_ino;
  const auto small = stat_of(scratch / "dst/small").st_ino;
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", in_place());
  CHECK(copied.notices == std::vector<std::string>{});
  CHECK(get(scratch / "dst/large") == pattern(kLarge));
  CHECK(get(scratch / "dst/small") == "new");
  CHECK(get(scratch / "dst/holes") == std::string(kLarge, '\0'));
  CHECK(get(scratch / "other") == pattern(kLarge));
  CHECK(stat_of(scratch / "dst/large").st_ino == before);
  CHECK(stat_of(scratch / "dst/small").st_ino != small);
  CHECK(stat_of(scratch / "dst/large").st_mtim.tv_nsec == stat_of(scratch / "src/large").st_mtim.tv_nsec);
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", in_place()).report.files_moved == 0);
}

TEST_CASE("a new file has no right that its directory's default ACL denies, large or small") {
  // Entries of an ACL as the kernel takes it: tag, rights and id, little-endian.
  struct AclEntry {
    std::uint16_t tag, rights;
    std::uint32_t id = 0xFFFFFFFF;
  };
  const auto acl_of = [](std::initializer_list<AclEntry> entries) {
    std::string acl("\x02\0\0\0", 4);
    for (const AclEntry& entry : entries) acl.append(reinterpret_cast<const char*>(&entry), sizeof entry);
    return acl;
  };
  const auto [acl, mode] = GENERATE_COPY(table<std::string, mode_t>(
      {{acl_of({{0x01, 7}, {0x04, 0}, {0x20, 0}}), 0600},
       {acl_of({{0x01, 4}, {0x04, 6}, {0x20, 7}}), 0466},
       {acl_of({{0x01, 7}, {0x02, 7, 12345}, {0x04, 7}, {0x10, 4}, {0x20, 0}}), 0640}}));
  CAPTURE(mode);
  const Scratch scratch;
  fs::create_directories(scratch / "src");
  fs::create_directories(scratch / "dst");
  const std::string directory = scratch / "dst";
  if (::setxattr(directory.c_str(), "system.posix_acl_default", acl.data(), acl.size(), 0) == -1) {
    WARN("skipped: no ACLs here");
    return;
  }
  put(scratch / "src/large", pattern(kLarge));
  put(scratch / "src/small", "small");
  for (const char* name : {"src/large", "src/small"}) fs::permissions(scratch / name, fs::perms(0666));
  CopyOptions options;
  options.recursive = true;
  CHECK(copy_trees({scratch / "src/"}, directory, options).report.status() == 0);
  for (const char* name : {"dst/large", "dst/small"}) CHECK((stat_of(scratch / name).st_mode & 0777) == mode);
}

TEST_CASE("nothing but a file is written into") {
  const Scratch scratch;
  fs::create_directories(scratch / "src");
  fs::create_directories(scratch / "dst");
  put(scratch / "victim", "precious");
  for (const char* name : {"link", "fifo", "fresh"}) put(scratch / "src/" + name, pattern(kLarge));
  fs::create_symlink("../victim", scratch / "dst/link");
  REQUIRE(::mkfifo((scratch / "dst/fifo").c_str(), 0600) == 0);
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", in_place());
  CHECK(copied.notices == std::vector<std::string>{});
  CHECK(get(scratch / "victim") == "precious");
  for (const char* name : {"link", "fifo", "fresh"}) CHECK(get(scratch / "dst/" + name) == pattern(kLarge));
  CHECK_FALSE(fs::is_symlink(scratch / "dst/link"));
}

TEST_CASE("two files that are one at the destination are both right afterwards") {
  const Scratch scratch;
  fs::create_directories(scratch / "src");
  fs::create_directories(scratch / "dst");
  put(scratch / "src/a", pattern(kLarge, 1));
  put(scratch / "src/b", pattern(kLarge, 2));
  put(scratch / "dst/a", "old");
  fs::create_hard_link(scratch / "dst/a", scratch / "dst/b");
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", in_place()).report.status() == 0);
  CHECK(get(scratch / "dst/a") == pattern(kLarge, 1));
  CHECK(get(scratch / "dst/b") == pattern(kLarge, 2));
}

TEST_CASE("with --partial, what is there is written into, and what is not is kept") {
  const Scratch scratch;
  put(scratch / "new", pattern(kLarge));
  put(scratch / "old", pattern(kLarge, 2));
  put(scratch / ".old.rdpipe-partial", pattern(kLarge));
  const auto before = stat_of(scratch / "old").st_ino;
  CopyOptions options = in_place();
  options.partial = true;
  CHECK(copy_trees({scratch / "new"}, scratch / "old", options).report.bytes_reused == 0);
  CHECK(get(scratch / "old") == pattern(kLarge));
  CHECK(stat_of(scratch / "old").st_ino == before);
  put(scratch / ".fresh.rdpipe-partial", pattern(kLarge));
  CHECK(copy_trees({scratch / "new"}, scratch / "fresh", options).report.bytes_reused == kLarge);
}

TEST_CASE("with backups, nothing is written into") {
  const Scratch scratch;
  put(scratch / "new", pattern(kLarge));
  put(scratch / "old", "precious");
  CopyOptions options = in_place();
  options.backup = true;
  CHECK(copy_trees({scratch / "new"}, scratch / "old", options).report.status() == 0);
  CHECK(get(scratch / "old") == pattern(kLarge));
  CHECK(get(scratch / "old~") == "precious");
}

TEST_CASE("a file that is the same is not written into by its other name at the destination") {
  for (const bool first_is_same : {true, false}) {
    CAPTURE(first_is_same);
    const Scratch scratch;
    fs::create_directories(scratch / "dst");
    CopyOptions options = in_place();
    options.filters = {{false, first_is_same ? "x*" : "z*"}};
    fs::create_directories(scratch / "src");
    put(scratch / "src/m", pattern(kLarge, 1));
    put(scratch / "dst/m", pattern(kLarge, 1));
    CopyOptions times = archive();
    static_cast<void>(copy_trees({scratch / "src/m"}, scratch / "dst", times));
    // One that the directory may list before it, and one behind it.
    for (const char* name : {"a", "x1", "x2", "z1", "z2"}) {
      put(scratch / ("src/"s + name), pattern(kLarge, 3));
      fs::create_hard_link(scratch / "dst/m", scratch / ("dst/"s + name));
    }
    CHECK(copy_trees({scratch / "src/"}, scratch / "dst", options).report.status() == 0);
    CHECK(get(scratch / "dst/m") == pattern(kLarge, 1));
    CHECK(get(scratch / "dst/a") == pattern(kLarge, 3));
  }
}

TEST_CASE("a part of a file is nothing to copy where parts are kept") {
  const Scratch scratch;
  fs::create_directories(scratch / "src/.parts");
  const std::string part = ".large.rdpipe-partial";
  put(scratch / "src/large", pattern(kLarge));
  put(scratch / ("src/" + part), pattern(kLarge, 2));
  put(scratch / ("src/.parts/" + part), pattern(kLarge, 3));
  for (const std::string directory : {"", "./.parts/"}) {
    CAPTURE(directory);
    fs::remove_all(scratch / "dst");
    CopyOptions options = archive();
    options.partial = true;
    options.partial_dir = directory;
    const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
    CHECK(copied.report.status() == 0);
    CHECK(get(scratch / "dst/large") == pattern(kLarge));
    CHECK_FALSE(fs::exists(scratch / ("dst/" + part)));
    CHECK(copied.notices.size() == 2);  // the other part, or the directory of it
  }
  CHECK(copy_trees({scratch / "src/"}, scratch / "all", archive()).report.status() == 0);
  CHECK(get(scratch / ("all/" + part)) == pattern(kLarge, 2));
}
