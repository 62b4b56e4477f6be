// What becomes of sources that are removed when their copies are in place: nothing that is not is lost.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catch.h"
#include "tree/trees.h"

using namespace rdpipe;
using namespace rdpipe::test;
using namespace std::literals;

namespace fs = std::filesystem;

namespace {

CopyOptions removing() {
  CopyOptions options = archive();
  options.remove_source_files = true;
  return options;
}

void set_seconds(const std::string& path, std::int64_t seconds) {
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

// A file, a symlink, a FIFO and two names of one file in each of "src", "src/sub"; times long ago.
void make_sources(const Scratch& scratch) {
  for (const std::string directory : {"src", "src/sub"}) {
    fs::create_directories(scratch / directory);
    put(scratch / (directory + "/file"), "source");
    put(scratch / (directory + "/one"), "linked");
    fs::create_symlink("file", scratch / (directory + "/symlink"));
    REQUIRE(::mkfifo((scratch / (directory + "/fifo")).c_str(), 0600) == 0);
    for (const char* name : {"/file", "/one", "/symlink", "/fifo"})
      set_seconds(scratch / (directory + name), 1'000'000'000);
    fs::create_hard_link(scratch / (directory + "/one"), scratch / (directory + "/two"));
  }
}

const std::vector<std::string> kNames{"file", "one", "two", "symlink", "fifo"};

bool is_there(const std::string& path) { return fs::exists(fs::symlink_status(path)); }

void check_all(const Scratch& scratch, const std::string& directory, bool there) {
  for (const std::string& name : kNames) {
    CAPTURE(directory, name);
    CHECK(is_there(scratch / (directory + "/" + name)) == there);
  }
}

}  // namespace

TEST_CASE("sources that are in place are removed") {
  const Scratch scratch;
  make_sources(scratch);
  CopyOptions keeps = archive();
  static_cast<void>(copy_trees({scratch / "src/"}, scratch / "dst", keeps));
  put(scratch / "src/new", "new");
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", removing());
  CHECK(copied.report.status() == 0);
  check_all(scratch, "src", false);
  check_all(scratch, "src/sub", false);
  check_all(scratch, "dst/sub", true);
  CHECK_FALSE(is_there(scratch / "src/new"));
  CHECK(get(scratch / "dst/new") == "new");
}

TEST_CASE("sources that --existing skips stay") {
  const Scratch scratch;
  make_sources(scratch);
  fs::create_directories(scratch / "dst");
  put(scratch / "dst/file", "replaced by it");
  CopyOptions options = removing();
  options.existing = true;
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
  CHECK(copied.notices == std::vector<std::string>{});
  CHECK(copied.report.status() == 0);
  CHECK(get(scratch / "dst/file") == "source");
  CHECK_FALSE(is_there(scratch / "src/file"));
  for (const std::string name : {"one", "two", "symlink", "fifo"}) CHECK(is_there(scratch / ("src/" + name)));
  check_all(scratch, "src/sub", true);  // a directory that is not made
}

TEST_CASE("sources that --ignore-existing or --update skips stay") {
  for (const bool update : {false, true}) {
    const Scratch scratch;
    make_sources(scratch);
    fs::create_directories(scratch / "dst/sub");
    for (const std::string& name : kNames) put(scratch / ("dst/" + name), "mine " + name);
    CopyOptions options = removing();
    (update ? options.update : options.ignore_existing) = true;
    const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
    CHECK(copied.report.status() == 0);
    check_all(scratch, "src/sub", false);
    for (const std::string name : {"file", "one", "two"}) {
      CAPTURE(update, name);
      CHECK(is_there(scratch / ("src/" + name)));
      CHECK(get(scratch / ("dst/" + name)) == "mine " + name);
    }
    // --update is for files in the place of files only, as in rsync.
    for (const std::string name : {"symlink", "fifo"}) {
      CAPTURE(update, name);
      CHECK(is_there(scratch / ("src/" + name)) != update);
      CHECK(fs::is_regular_file(fs::symlink_status(scratch / ("dst/" + name))) != update);
    }
  }
}

TEST_CASE("a file in a directory's place, which is left alone, keeps the sources beneath") {
  const Scratch scratch;
  make_sources(scratch);
  fs::create_directories(scratch / "dst");
  put(scratch / "dst/sub", "a file");
  CopyOptions options = removing();
  options.ignore_existing = true;
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", options).report.status() == 0);
  check_all(scratch, "src/sub", true);
  CHECK(get(scratch / "dst/sub") == "a file");
}

TEST_CASE("a second source of one name stays as it is") {
  const Scratch scratch;
  for (const std::string source : {"a", "b"}) {
    fs::create_directories(scratch / (source + "/x"));
    put(scratch / (source + "/x/file"), source);
    put(scratch / (source + "/other"), source);
    put(scratch / (source + "/head"), source);
    fs::create_hard_link(scratch / (source + "/head"), scratch / (source + "/link"));
  }
  fs::create_directory(scratch / "dst");
  std::vector<std::string> sources;
  for (const std::string source : {"a/", "b/"})
    for (const std::string name : {"x", "other", "head", "link"})
      sources.push_back(scratch / (source + name));
  const Copied copied = copy_trees(sources, scratch / "dst", removing());
  CHECK(copied.report.failed == 4);
  CHECK(copied.notices.size() == 4);
  for (const std::string name : {"x/file", "other", "head", "link"}) {
    CAPTURE(name);
    CHECK_FALSE(is_there(scratch / ("a/" + name)));
    CHECK(get(scratch / ("b/" + name)) == "b");
    CHECK(get(scratch / ("dst/" + name)) == "a");
  }
}

TEST_CASE("where contents meet, what the first brought is not replaced") {
  const Scratch scratch;
  for (const std::string source : {"a", "b"}) {
    fs::create_directories(scratch / (source + "/sub"));
    put(scratch / (source + "/sub/file"), source);
    put(scratch / (source + "/sub/only-" + source), source);
  }
  put(scratch / "a/sub/taken", "a");
  fs::create_directory(scratch / "b/sub/taken");
  put(scratch / "b/sub/taken/file", "b");
  const Copied copied = copy_trees({scratch / "a/", scratch / "b/"}, scratch / "dst", removing());
  CHECK(copied.report.failed == 2);
  CHECK(copied.notices.size() == 2);
  CHECK(get(scratch / "dst/sub/file") == "a");
  CHECK(get(scratch / "dst/sub/taken") == "a");
  CHECK(get(scratch / "dst/sub/only-b") == "b");
  CHECK(get(scratch / "b/sub/file") == "b");
  CHECK(get(scratch / "b/sub/taken/file") == "b");
  CHECK_FALSE(is_there(scratch / "b/sub/only-b"));
}

TEST_CASE("a hard link stays whose first name is not in place") {
  const Scratch scratch;
  make_sources(scratch);
  fs::create_directories(scratch / "dst");
  // The first name, whichever it is: it is there, and newer.
  put(scratch / "dst/one", "newer");
  put(scratch / "dst/two", "newer");
  fs::remove(scratch / "src/sub/one");
  fs::remove(scratch / "src/sub/two");
  fs::create_hard_link(scratch / "src/one", scratch / "src/sub/two");
  CopyOptions options = removing();
  options.update = true;
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
  for (const std::string name : {"one", "two", "sub/two"}) CHECK(get(scratch / ("src/" + name)) == "linked");
  // Its content did not come, and it is not given another's.
  CHECK(copied.report.failed == 1);
  REQUIRE(copied.notices.size() == 1);
  CHECK(copied.notices.front().find("sub/two") != std::string::npos);
  CHECK_FALSE(is_there(scratch / "dst/sub/two"));
}

TEST_CASE("a dry run removes nothing") {
  const Scratch scratch;
  make_sources(scratch);
  CopyOptions options = removing();
  options.dry_run = true;
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", options).report.status() == 0);
  check_all(scratch, "src", true);
  static_cast<void>(copy_trees({scratch / "src/"}, scratch / "dst", archive()));
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", options).report.status() == 0);
  check_all(scratch, "src", true);
}

TEST_CASE("what a symlink led to is copied, and the symlink removed") {
  const Scratch scratch;
  make_sources(scratch);
  CopyOptions options = removing();
  options.copy_links = true;
  const Copied copied = copy_trees({scratch / "src/symlink"}, scratch / "dst", options);
  CHECK(copied.report.status() == 0);
  CHECK(copied.notices == std::vector<std::string>{});
  CHECK(get(scratch / "dst") == "source");
  CHECK_FALSE(is_there(scratch / "src/symlink"));
  CHECK(get(scratch / "src/file") == "source");
}

TEST_CASE("a symlink to what was removed before it is removed, too") {
  const Scratch scratch;
  for (const std::string name : {"a", "z"}) {
    fs::create_directories(scratch / ("src/" + name));
    put(scratch / ("src/" + name + "/file"), "source");
    fs::create_symlink(name == "a" ? "../z/file" : "../a/file", scratch / ("src/" + name + "/link"));
  }
  CopyOptions options = removing();
  options.copy_links = true;
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
  CHECK(copied.report.status() == 0);
  CHECK(copied.notices == std::vector<std::string>{});
  for (const std::string name : {"a/file", "a/link", "z/file", "z/link"}) {
    CAPTURE(name);
    CHECK_FALSE(is_there(scratch / ("src/" + name)));
    CHECK(get(scratch / ("dst/" + name)) == "source");
  }
}

TEST_CASE("a newer file is left alone, whatever else of the sender's it is a name of") {
  const Scratch scratch;
  fs::create_directories(scratch / "src");
  fs::create_directories(scratch / "dst");
  put(scratch / "src/first", "old");
  set_seconds(scratch / "src/first", 1'000'000'000);
  for (const char* name : {"src/newer", "src/older"})
    fs::create_hard_link(scratch / "src/first", scratch / name);
  put(scratch / "dst/newer", "mine");
  put(scratch / "dst/older", "gone");
  set_seconds(scratch / "dst/older", 999'999'999);
  CopyOptions options = archive();
  options.update = true;
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
  CHECK(copied.report.status() == 0);
  CHECK(get(scratch / "dst/newer") == "mine");
  CHECK(get(scratch / "dst/older") == "old");
  CHECK(fs::hard_link_count(scratch / "dst/first") == 2);
}

TEST_CASE("with --update, names of one symlink replace newer ones and what is newer and no file") {
  const Scratch scratch;
  fs::create_directories(scratch / "src");
  fs::create_directories(scratch / "dst");
  fs::create_symlink("source", scratch / "src/first");
  set_seconds(scratch / "src/first", 1'000'000'000);
  put(scratch / "src/file", "source");
  set_seconds(scratch / "src/file", 1'000'000'000);
  for (const std::string name : {"first", "file"}) {
    const std::string from = scratch / ("src/" + name), to = scratch / ("src/" + name + "-too");
    REQUIRE(::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0) == 0);
    for (const std::string end : {"", "-too"}) fs::create_symlink("mine", scratch / ("dst/" + name + end));
  }
  CopyOptions options = archive();
  options.update = true;
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
  CHECK(copied.report.status() == 0);
  CHECK(copied.notices == std::vector<std::string>{});
  for (const std::string end : {"", "-too"}) {
    CHECK(fs::read_symlink(scratch / ("dst/first" + end)) == "source");
    CHECK(fs::hard_link_count(scratch / ("dst/file" + end)) == 2);
    CHECK(get(scratch / ("dst/file" + end)) == "source");
  }
}

TEST_CASE("a source that was replaced meanwhile by one of the same size and time stays") {
  const Scratch scratch;
  fs::create_directory(scratch / "src");
  put(scratch / "src/file", "first");
  set_seconds(scratch / "src/file", 1'000'000'000);
  CopyOptions options = removing();
  Loop loop;
  Ring ring({64_KiB, 8});
  TreeSource source({scratch / "src/"}, options, "sender");
  TreeSink sink(scratch / "dst", options, "receiver");
  pump(loop, ring, source, sink);
  put(scratch / "other", "later");
  set_seconds(scratch / "other", 1'000'000'000);
  fs::rename(scratch / "other", scratch / "src/file");
  CHECK(source.take_removals().run(loop, {}) == 1);
  CHECK(get(scratch / "src/file") == "later");
}

TEST_CASE("a backup takes no name that the source has") {
  const Scratch scratch;
  fs::create_directories(scratch / "src/old");
  fs::create_directories(scratch / "dst");
  for (const std::string directory : {"", "old"}) {
    CAPTURE(directory);
    for (const char* name : {"file", "file~", "old/file"}) put(scratch / ("src/"s + name), "source");
    fs::remove_all(scratch / "dst/old");
    put(scratch / "dst/file", "old");
    CopyOptions options = removing();
    options.backup = true;
    options.backup_dir = directory;
    options.ignore_times = true;
    const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
    CHECK(copied.report.status() == 0);
    CHECK(get(scratch / "dst/file") == "source");
    const std::string other = directory.empty() ? "file~" : "old/file";
    CHECK(get(scratch / ("dst/" + other)) == "source");
    CHECK(get(scratch / ("dst/" + other + "~")) == "old");
  }
}
