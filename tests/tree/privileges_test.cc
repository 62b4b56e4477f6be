// Copies of an end that does no more than anybody may, although it is root: owners, devices, attributes
// beyond user.*, and the bits that give a program its owner's rights.
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "catch.h"
#include "tree/trees.h"

using namespace rdpipe;
using namespace rdpipe::test;

namespace fs = std::filesystem;

namespace {

constexpr uid_t kUser = 12345;
constexpr gid_t kGroup = 23456;
// CAP_NET_BIND_SERVICE, permitted and effective: struct vfs_cap_data of linux/capability.h.
constexpr std::string_view kCapability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);

// Only root has something to leave aside.
bool is_not_root() {
  if (::geteuid() == 0) return false;
  WARN("skipped: not root");
  return true;
}

// False, and said, where the file system or the container does not take it.
bool set_xattr(const std::string& path, const char* name, std::string_view value) {
  if (::lsetxattr(path.c_str(), name, value.data(), value.size(), 0) == 0) return true;
  WARN("skipped: " << name << ": " << std::strerror(errno));
  return false;
}

std::string xattr_of(const std::string& path, const char* name) {
  std::string value(100, '\0');
  const ssize_t size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
  value.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return value;
}

mode_t mode_of(const std::string& path) { return stat_of(path).st_mode & 07777; }

void put_with_mode(const std::string& path, const std::string& content, mode_t mode) {
  put(path, content);
  REQUIRE(::chmod(path.c_str(), mode) == 0);
}

CopyOptions unprivileged() {
  CopyOptions options = archive();
  options.unprivileged = true;
  return options;
}

CopyOptions without_special_bits() {
  CopyOptions options = archive();
  options.drop_special_bits = true;
  return options;
}

Copied copy_between(const std::string& source, const std::string& destination, const CopyOptions& senders,
                    CopyOptions receivers) {
  Copied copied;
  receivers.notice = [&](const std::string& line) { copied.notices.push_back(line); };
  receivers.listed = [&](const std::string& line) { copied.listed.push_back(line); };
  receivers.hears_peer = true;
  Loop loop;
  Ring ring({64_KiB, 8});
  TreeSource from({source}, senders, "sender");
  TreeSink to(destination, receivers, "receiver");
  pump(loop, ring, from, to);
  copied.report = to.report();
  return copied;
}

// A small file and a large one of a foreign owner, with attributes of each sort that the file system takes.
struct Foreign {
  Foreign() {
    fs::create_directory(scratch / "src");
    for (const auto& [name, size] : std::map<std::string, std::size_t>{{"large", 1'000'000}, {"small", 10}}) {
      const std::string path = scratch / "src/" + name;
      put(path, pattern(size));
      REQUIRE(::lchown(path.c_str(), kUser, kGroup) == 0);
      has_user = set_xattr(path, "user.note", "kept");
      has_trusted = set_xattr(path, "trusted.note", "secret");
      has_capability = set_xattr(path, "security.capability", kCapability);
    }
  }
  void check_ordinary() const {
    for (const std::string& path : {scratch / "dst/large", scratch / "dst/small"}) {
      CHECK(stat_of(path).st_uid == ::geteuid());
      CHECK(stat_of(path).st_gid == ::getegid());
      if (has_user) CHECK(xattr_of(path, "user.note") == "kept");
      CHECK(xattr_of(path, "trusted.note").empty());
      CHECK(xattr_of(path, "security.capability").empty());
    }
  }
  void check_whole() const {
    for (const std::string& path : {scratch / "dst/large", scratch / "dst/small"}) {
      CHECK(stat_of(path).st_uid == kUser);
      CHECK(stat_of(path).st_gid == kGroup);
      if (has_user) CHECK(xattr_of(path, "user.note") == "kept");
      if (has_trusted) CHECK(xattr_of(path, "trusted.note") == "secret");
      if (has_capability) CHECK(xattr_of(path, "security.capability") == kCapability);
    }
  }

  Scratch scratch;
  bool has_user = false, has_trusted = false, has_capability = false;
};

}  // namespace

TEST_CASE("root gives files their owners and all their attributes") {
  if (is_not_root()) return;
  const Foreign foreign;
  const Copied copied = copy_trees({foreign.scratch / "src"}, foreign.scratch / "dst", archive());
  CHECK(copied.notices == std::vector<std::string>{});
  foreign.check_whole();
}

TEST_CASE("a receiver without privileges leaves owners and what only root may set aside") {
  if (is_not_root()) return;
  const Foreign foreign;
  const auto copy = [&] {
    return copy_between(foreign.scratch / "src/", foreign.scratch / "dst", archive(), unprivileged());
  };
  CHECK(copy().notices == std::vector<std::string>{});
  foreign.check_ordinary();
  const Copied again = copy();
  CHECK(again.listed == std::vector<std::string>{});
  CHECK(again.report.status() == 0);
}

TEST_CASE("a sender without privileges gives no attributes away that only root can read") {
  if (is_not_root()) return;
  const Foreign foreign;
  const Copied copied =
      copy_between(foreign.scratch / "src", foreign.scratch / "dst", unprivileged(), archive());
  CHECK(copied.notices == std::vector<std::string>{});
  for (const std::string& path : {foreign.scratch / "dst/large", foreign.scratch / "dst/small"}) {
    if (foreign.has_user) CHECK(xattr_of(path, "user.note") == "kept");
    CHECK(xattr_of(path, "trusted.note").empty());
    CHECK(xattr_of(path, "security.capability").empty());
  }
}

TEST_CASE("what only root may set, and is there, stays where a receiver has no privileges") {
  if (is_not_root()) return;
  const Foreign foreign;
  static_cast<void>(copy_trees({foreign.scratch / "src"}, foreign.scratch / "dst", archive()));
  for (const char* name : {"src/small", "src/large"}) {
    if (foreign.has_user) CHECK(set_xattr(foreign.scratch / name, "user.note", "other"));
  }
  const Copied copied =
      copy_between(foreign.scratch / "src/", foreign.scratch / "dst", archive(), unprivileged());
  CHECK(copied.report.files_moved == 0);
  CHECK(stat_of(foreign.scratch / "dst/small").st_uid == kUser);
  if (foreign.has_user) CHECK(xattr_of(foreign.scratch / "dst/small", "user.note") == "other");
  if (foreign.has_trusted) CHECK(xattr_of(foreign.scratch / "dst/small", "trusted.note") == "secret");
}

TEST_CASE("a receiver without privileges gives files to its own group, and to no other") {
  if (is_not_root()) return;
  const Scratch scratch;
  fs::create_directories(scratch / "src");
  put(scratch / "src/ours", "o");
  put(scratch / "src/theirs", "t");
  REQUIRE(::lchown((scratch / "src/theirs").c_str(), kUser, kGroup + 1) == 0);
  fs::create_directory(scratch / "dst");
  REQUIRE(::lchown((scratch / "dst").c_str(), kUser, kGroup) == 0);
  REQUIRE(::chmod((scratch / "dst").c_str(), 02777) == 0);  // what is new in it has its group
  CopyOptions options = unprivileged();
  options.perms = options.acls = false;
  static_cast<void>(copy_trees({scratch / "src/"}, scratch / "dst", options));
  CHECK(stat_of(scratch / "dst/ours").st_gid == ::getegid());
  CHECK(stat_of(scratch / "dst/theirs").st_gid == kGroup);
  CHECK(stat_of(scratch / "dst/theirs").st_uid == ::geteuid());
}

TEST_CASE("device nodes are root's, and fail for a receiver without privileges") {
  if (is_not_root()) return;
  const Scratch scratch;
  fs::create_directory(scratch / "src");
  const std::string node = scratch / "src/null";
  if (::mknod(node.c_str(), S_IFCHR | 0666, makedev(1, 3)) == -1) {
    WARN("skipped: mknod: " << std::strerror(errno));
    return;
  }
  fs::create_hard_link(node, scratch / "src/other");
  REQUIRE(::mkfifo((scratch / "src/fifo").c_str(), 0640) == 0);
  const Copied refused = copy_trees({scratch / "src"}, scratch / "dst", unprivileged());
  CHECK(refused.report.failed == 2);
  REQUIRE(refused.notices.size() == 2);
  for (const std::string& line : refused.notices) {
    CHECK_THAT(line,
               Catch::StartsWith("'" + scratch / "dst/") && Catch::EndsWith("': Operation not permitted"));
  }
  CHECK_FALSE(fs::exists(scratch / "dst/null"));
  CHECK(S_ISFIFO(stat_of(scratch / "dst/fifo").st_mode));
  const Copied made = copy_trees({scratch / "src/"}, scratch / "dst", archive());
  CHECK(made.notices == std::vector<std::string>{});
  CHECK(S_ISCHR(stat_of(scratch / "dst/null").st_mode));
}

TEST_CASE("what is backed up elsewhere by a receiver without privileges is its own") {
  if (is_not_root()) return;
  const Scratch scratch;
  std::string kept = "/dev/shm/rdpipe-privileges-XXXXXX";
  if (::mkdtemp(kept.data()) == nullptr || stat_of(kept).st_dev == stat_of(scratch / ".").st_dev) {
    WARN("skipped: /dev/shm is no other file system");
    return;
  }
  const std::shared_ptr<void> removed(nullptr, [&](void*) { fs::remove_all(kept); });
  fs::create_directories(scratch / "src");
  fs::create_directories(scratch / "dst");
  put(scratch / "src/file", "new content");
  put(scratch / "dst/file", "old");
  REQUIRE(::lchown((scratch / "dst/file").c_str(), kUser, kGroup) == 0);
  REQUIRE(::chmod((scratch / "dst/file").c_str(), 06775) == 0);
  CopyOptions options = archive();
  options.backup = true;
  options.backup_dir = kept;
  mode_t expected = 06775;
  SECTION("with privileges") {}
  SECTION("without") {
    options.unprivileged = true;
    expected = 0705;
  }
  SECTION("without special bits") {
    options.drop_special_bits = true;
    expected = 0775;
  }
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", options).notices == std::vector<std::string>{});
  CHECK(get(kept + "/file") == "old");
  CHECK(mode_of(kept + "/file") == expected);
  CHECK(stat_of(kept + "/file").st_uid == (options.unprivileged ? ::geteuid() : kUser));
}

TEST_CASE("special bits arrive with perms, unless they are dropped") {
  const Scratch scratch;
  fs::create_directories(scratch / "src/dir");
  put_with_mode(scratch / "src/small", "small", 04755);
  put_with_mode(scratch / "src/group", "group", 02755);
  put_with_mode(scratch / "src/large", pattern(1'000'000), 06755);
  REQUIRE(::chmod((scratch / "src/dir").c_str(), 03775) == 0);
  static_cast<void>(copy_trees({scratch / "src"}, scratch / "dst", archive()));
  CHECK(mode_of(scratch / "dst/small") == 04755);
  CHECK(mode_of(scratch / "dst/group") == 02755);
  CHECK(mode_of(scratch / "dst/large") == 06755);
  CHECK(mode_of(scratch / "dst/dir") == 03775);
  CopyOptions options = without_special_bits();
  std::string target = "dst";  // where nothing moves: the modes alone are set
  SECTION("of what is new") { target = "new"; }
  SECTION("of what is there") {}
  SECTION("of what is there and moves") { options.ignore_times = true; }
  SECTION("of what is there and is written in place") { options.inplace = options.ignore_times = true; }
  SECTION("of what chmod asks for") { options.chmod = "ug+s,+t"; }
  SECTION("of what chmod asks for in octal") { options.chmod = "D7775,Fu+s"; }
  SECTION("of what chmod asks for of new files") {
    target = "new";
    options.perms = options.acls = false;
    options.chmod = "ug+s,+t";
  }
  const Copied copied = copy_trees({scratch / "src/"}, scratch / target, options);
  CHECK(copied.notices == std::vector<std::string>{});
  for (const char* name : {"/small", "/group", "/large"}) {
    INFO(name);
    CHECK((mode_of(scratch / target + name) & 06777) == 0755);
    CHECK(get(scratch / target + name) == get(scratch / "src" + name));
  }
  // The sticky bit protects, and stays.
  if (options.perms) CHECK(mode_of(scratch / target + "/dir") == 01775);
  CHECK((mode_of(scratch / target + "/dir") & 06000) == 0);
  CHECK(copy_trees({scratch / "src/"}, scratch / target, without_special_bits()).notices.empty());
}

TEST_CASE("new content has no special bits of the file that it replaces, and none while it is written") {
  const Scratch scratch;
  fs::create_directory(scratch / "src");
  put(scratch / "src/large", pattern(1'000'000));
  put(scratch / "src/small", "new");
  fs::create_directory(scratch / "dst");
  put_with_mode(scratch / "dst/large", pattern(900'000), 06755);
  put_with_mode(scratch / "dst/small", "old content", 04711);
  const ino_t before = stat_of(scratch / "dst/large").st_ino;
  CopyOptions options;
  options.recursive = options.inplace = options.drop_special_bits = true;
  static_cast<void>(copy_trees({scratch / "src/"}, scratch / "dst", options));
  CHECK(get(scratch / "dst/large") == pattern(1'000'000));
  CHECK(stat_of(scratch / "dst/large").st_ino != before);
  CHECK(mode_of(scratch / "dst/large") == 0755);
  CHECK(mode_of(scratch / "dst/small") == 0711);
}

TEST_CASE("directories that are there keep their bits where no mode is set, and new ones inherit theirs") {
  const Scratch scratch;
  fs::create_directories(scratch / "src/there/new");
  put_with_mode(scratch / "src/there/file", "f", 04755);
  fs::create_directories(scratch / "dst/there");
  REQUIRE(::chmod((scratch / "dst/there").c_str(), 03775) == 0);
  CopyOptions options;
  options.recursive = options.drop_special_bits = true;
  options.unprivileged = GENERATE(true, false);
  static_cast<void>(copy_trees({scratch / "src/"}, scratch / "dst", options));
  CHECK(mode_of(scratch / "dst/there") == 03775);
  CHECK((mode_of(scratch / "dst/there/new") & 07000) == S_ISGID);
  CHECK((mode_of(scratch / "dst/there/file") & 07000) == 0);
}
