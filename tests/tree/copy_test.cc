// Trees copied through source and sink in memory, real files at both ends.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catch.h"
#include "tree/hostile.h"
#include "tree/partial.h"
#include "tree/trees.h"

using namespace rdpipe;
using namespace rdpipe::test;

namespace fs = std::filesystem;

TEST_CASE("a tree arrives with all that is in it") {
  const Scratch scratch;
  make_tree(scratch);
  const Copied copied = copy_trees({scratch / "src"}, scratch / "dst", archive());
  CHECK(copied.notices == std::vector<std::string>{});
  CHECK(copied.report.status() == 0);
  CHECK(copied.report.files == 5);
  CHECK(copied.report.linked == 1);
  CHECK(get(scratch / "dst/small") == "hello\n");
  CHECK(get(scratch / "dst/sub/middle") == pattern(50'000));
  CHECK(get(scratch / "dst/sub/deep/large") == pattern(3'000'000, 7));
  CHECK(fs::read_symlink(scratch / "dst/sub/link") == "../small");
  CHECK(S_ISFIFO(stat_of(scratch / "dst/fifo").st_mode));
  CHECK(stat_of(scratch / "dst/small").st_ino == stat_of(scratch / "dst/sub/same").st_ino);
  CHECK(stat_of(scratch / "dst/small").st_mtim.tv_nsec == 123'456'789);
  CHECK((stat_of(scratch / "dst/empty").st_mode & 07777) == 0555);
  CHECK(stat_of(scratch / "dst/sub").st_mtim.tv_sec == 1'200'000'000);
  CHECK(stat_of(scratch / "dst").st_mtim.tv_nsec == 1);
  ::chmod((scratch / "src/empty").c_str(), 0755);
  ::chmod((scratch / "dst/empty").c_str(), 0755);
}

TEST_CASE("a second copy moves nothing") {
  const Scratch scratch;
  make_tree(scratch);
  static_cast<void>(copy_trees({scratch / "src"}, scratch / "dst", archive()));
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", archive());
  CHECK(copied.report.files_moved == 0);
  CHECK(copied.listed == std::vector<std::string>{});
  CHECK(copied.notices == std::vector<std::string>{});
}

TEST_CASE("hard links in a directory that is not copied do not end the rest") {
  const Scratch scratch;
  make_tree(scratch);
  fs::create_hard_link(scratch / "src/small", scratch / "src/sub/deep/third");
  fs::create_directories(scratch / "dst/sub");
  CopyOptions options = archive();
  options.existing = true;
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
  CHECK(copied.report.failed == 0);
  CHECK_FALSE(fs::exists(scratch / "dst/sub/deep"));
}

TEST_CASE("a list deeper than the stack is let go of") {
  const Scratch scratch;
  fs::create_directory(scratch / "src");
  CopyOptions options = archive();
  std::string path;
  for (int i = 0; i < 200'000; ++i) path += "a/";
  options.files_from = {path};
  const Copied copied = copy_trees({scratch / "src"}, scratch / "dst", options);
  CHECK(copied.report.failed == 1);
}

TEST_CASE("a time that the file system cuts off is the same time") {
  const Scratch scratch;
  fs::create_directory(scratch / "src");
  put(scratch / "src/file", "hello\n");
  set_time(scratch / "src/file", 1'000'000'001, 123'456'789);
  static_cast<void>(copy_trees({scratch / "src"}, scratch / "dst", archive()));
  for (const long kept : {0L, 120'000'000L, 123'000'000L, 123'456'000L, 123'456'700L, 123'456'789L}) {
    set_time(scratch / "dst/file", 1'000'000'001, kept);
    const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", archive());
    CHECK(copied.report.files_moved == 0);
    CHECK(copied.listed == std::vector<std::string>{});
  }
  for (const long other : {120'000'001L, 123'000'001L, 123'456'788L, 130'000'000L}) {
    set_time(scratch / "dst/file", 1'000'000'001, other);
    CHECK(copy_trees({scratch / "src/"}, scratch / "dst", archive()).report.files_moved == 1);
  }
  set_time(scratch / "dst/file", 1'000'000'000, 0);  // only FAT makes that of it
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", archive()).report.files_moved == 1);
}

TEST_CASE("a dry run says what it would do and does nothing") {
  const Scratch scratch;
  make_tree(scratch);
  CopyOptions options = archive();
  options.dry_run = true;
  const Copied copied = copy_trees({scratch / "src"}, scratch / "dst", options);
  CHECK_FALSE(fs::exists(scratch / "dst"));
  CHECK(copied.report.files_moved == 4);
  CHECK(copied.listed.size() == 11);
}

TEST_CASE("a symlink in the target is replaced, never followed") {
  const Scratch scratch;
  make_tree(scratch);
  fs::create_directories(scratch / "dst");
  fs::create_directory(scratch / "elsewhere");
  fs::create_symlink(scratch / "elsewhere", scratch / "dst/sub");
  fs::create_symlink(scratch / "elsewhere/small", scratch / "dst/small");
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", archive());
  CHECK(copied.report.status() == 0);
  CHECK(fs::is_empty(scratch / "elsewhere"));
  CHECK(get(scratch / "dst/sub/middle") == pattern(50'000));
}

TEST_CASE("destinations follow the rules of cp") {
  const Scratch scratch;
  put(scratch / "a", "A");
  put(scratch / "b", "B");
  fs::create_directory(scratch / "dir");
  static_cast<void>(copy_trees({scratch / "a"}, scratch / "new", {}));
  CHECK(get(scratch / "new") == "A");
  static_cast<void>(copy_trees({scratch / "a", scratch / "b"}, scratch / "dir", {}));
  CHECK(get(scratch / "dir/b") == "B");
  CHECK_THROWS_AS(copy_trees({scratch / "a", scratch / "b"}, scratch / "absent", {}), Error);
  CHECK_THROWS_AS(copy_trees({scratch / "a"}, scratch / "absent/", {}), Error);
  CHECK_THROWS_AS(copy_trees({scratch / "a"}, scratch / "absent/x", {}), Error);
  CopyOptions options;
  options.mkpath = true;
  static_cast<void>(copy_trees({scratch / "a"}, scratch / "p/q/", options));
  CHECK(get(scratch / "p/q/a") == "A");
  const Copied refused = copy_trees({scratch / "dir", scratch / "b"}, scratch / "p", {});
  CHECK(refused.report.status() == 23);
  CHECK(get(scratch / "p/b") == "B");
}

TEST_CASE("an interrupted large file goes on where it was") {
  const Scratch scratch;
  const std::string content = pattern(5'000'000, 3);
  put(scratch / "big", content);
  put(scratch / ".out.rdpipe-partial", content.substr(0, 3 * 1'048'576 + 17));
  CopyOptions options;
  options.partial = true;
  const Copied copied = copy_trees({scratch / "big"}, scratch / "out", options);
  CHECK(copied.report.bytes_reused == 3 * 1'048'576);
  CHECK(get(scratch / "out") == content);
  CHECK_FALSE(fs::exists(scratch / ".out.rdpipe-partial"));
}

TEST_CASE("parts of files of the same name do not meet in one directory") {
  const Scratch scratch;
  CopyOptions options = archive();
  options.partial = true;
  for (const bool absolute : {true, false}) {
    fs::create_directories(scratch / "src/a");
    fs::create_directories(scratch / "src/b");
    fs::create_directories(scratch / "dst/a");
    fs::create_directories(scratch / "dst/b");
    fs::create_directory(scratch / "dst/parts");
    const std::string content = pattern(2'500'000, 3);
    for (const char* path : {"src/a/f", "src/b/f"}) put(scratch / path, content);
    options.partial_dir = absolute ? scratch / "dst/parts" : "../parts";
    // Both under the bare name, where a part of either might be looked for, and where that of one is.
    WantedFile one;
    one.directory = std::make_shared<TargetDirectory>();
    one.directory->directory = std::make_shared<Directory>(Descriptor(), "", "a");
    one.name = "f";
    const Descriptor at(::open((scratch / "dst/a").c_str(), O_PATH | O_CLOEXEC));
    for (const std::string& leaf : {one.name, partial_place(at.get(), one, options, false).leaf})
      put(scratch / "dst/parts/" + leaf, content.substr(0, 2'200'000));
    const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
    CHECK(copied.notices == std::vector<std::string>{});
    CHECK(copied.report.bytes_reused == 2'097'152);
    CHECK(get(scratch / "dst/a/f") == content);
    CHECK(get(scratch / "dst/b/f") == content);
    fs::remove_all(scratch / "dst");
  }
}

TEST_CASE("filters, backups, updates and removal of sources do what they say") {
  const Scratch scratch;
  make_tree(scratch);
  CopyOptions options = archive();
  options.filters = {{true, "/src/sub/middle"}, {false, "/src/sub/*"}, {false, "*.o"}};
  put(scratch / "src/x.o", "o");
  static_cast<void>(copy_trees({scratch / "src"}, scratch / "dst", options));
  CHECK(fs::exists(scratch / "dst/sub/middle"));
  CHECK_FALSE(fs::exists(scratch / "dst/sub/deep"));
  CHECK_FALSE(fs::exists(scratch / "dst/x.o"));

  CopyOptions backup;
  backup.recursive = backup.times = backup.backup = true;
  put(scratch / "dst/small", "older");
  static_cast<void>(copy_trees({scratch / "src/small"}, scratch / "dst/", backup));
  CHECK(get(scratch / "dst/small~") == "older");

  CopyOptions update;
  update.update = true;
  put(scratch / "dst/small", "newer by far");
  static_cast<void>(copy_trees({scratch / "src/small"}, scratch / "dst/", update));
  CHECK(get(scratch / "dst/small") == "newer by far");

  CopyOptions remove;
  remove.remove_source_files = true;
  static_cast<void>(copy_trees({scratch / "src/x.o"}, scratch / "dst/", remove));
  CHECK(get(scratch / "dst/x.o") == "o");
  CHECK_FALSE(fs::exists(scratch / "src/x.o"));
}

TEST_CASE("directories for parts go when they are empty") {
  const Scratch scratch;
  CopyOptions options = archive();
  options.partial_dir = "p";
  fs::create_directories(scratch / "src/sub/p");
  for (const char* path : {"src/big", "src/sub/big"}) put(scratch / path, pattern(300'000));
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", options).report.status() == 0);
  CHECK_FALSE(fs::exists(scratch / "dst/p"));
  CHECK(fs::exists(scratch / "dst/sub/p"));  // the sender's
  fs::create_directory(scratch / "top");
  CHECK(copy_trees({scratch / "src/big"}, scratch / "top", options).report.status() == 0);
  CHECK_FALSE(fs::exists(scratch / "top/p"));
}

TEST_CASE("a relative directory for backups begins at the destination, from the first entry on") {
  const Scratch scratch;
  fs::create_directories(scratch / "src/d");
  fs::create_directories(scratch / "dst");
  put(scratch / "dst/d", "was a file");
  fs::create_symlink("new", scratch / "src/s");
  fs::create_symlink("old", scratch / "dst/s");
  CopyOptions options = archive();
  options.backup = true;
  options.backup_dir = "rdpipe-kept";
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", options).report.status() == 0);
  CHECK_FALSE(fs::exists("rdpipe-kept"));
  CHECK(fs::read_symlink(scratch / "dst/rdpipe-kept/s") == "old");
  CHECK(get(scratch / "dst/rdpipe-kept/d") == "was a file");
  CHECK(fs::read_symlink(scratch / "dst/s") == "new");
}

TEST_CASE("no file is its own backup") {
  const Scratch scratch;
  fs::create_directory(scratch / "src");
  fs::create_directory(scratch / "dst");
  put(scratch / "src/f", "newer");
  put(scratch / "dst/f", "old");
  CopyOptions options = archive();
  options.backup = options.ignore_times = true;
  for (const std::string& directory : {std::string("."), std::string("./"), scratch / "dst"}) {
    options.backup_dir = directory;
    CHECK_THROWS_AS(copy_trees({scratch / "src/"}, scratch / "dst", options), Error);
    CHECK(get(scratch / "dst/f") == "old");
  }
  options.backup_dir.clear();
  options.backup_suffix = "";
  CHECK_THROWS_AS(copy_trees({scratch / "src/"}, scratch / "dst", options), Error);
  CHECK(get(scratch / "dst/f") == "old");
  options.backup_suffix = "~";
  fs::create_hard_link(scratch / "dst/f", scratch / "dst/f~");
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", options).report.status() == 0);
  CHECK(get(scratch / "dst/f") == "newer");
  CHECK(get(scratch / "dst/f~") == "old");
}

TEST_CASE("directories that are deleted keep their backups, again and again") {
  const Scratch scratch;
  fs::create_directory(scratch / "src");
  CopyOptions options = archive();
  options.backup = options.delete_extra = true;
  for (const std::string content : {"one", "two"}) {
    fs::create_directories(scratch / "dst/d/empty");
    put(scratch / "dst/d/f", content);
    const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
    CHECK(copied.notices == std::vector<std::string>{});
    CHECK(copied.report.status() == 0);
    CHECK(get(scratch / "dst/d/f~") == content);
    CHECK_FALSE(fs::exists(scratch / "dst/d/f"));
    CHECK_FALSE(fs::exists(scratch / "dst/d/empty"));
  }
  options.backup_dir = "kept";
  fs::create_directory(scratch / "dst/e");
  put(scratch / "dst/e/f", "three");
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", options).report.status() == 0);
  CHECK(get(scratch / "dst/kept/e/f") == "three");
  CHECK_FALSE(fs::exists(scratch / "dst/e"));
}

TEST_CASE("more symlinks than the receiver decides at once") {
  const Scratch scratch;
  fs::create_directory(scratch / "src");
  const std::string target(4000, 't');
  for (int i = 0; i < 4500; ++i) fs::create_symlink(target, scratch / "src/" + std::to_string(i));
  put(scratch / "src/large", pattern(3'000'000));
  const Copied copied = copy_trees({scratch / "src"}, scratch / "dst", archive());
  CHECK(copied.notices == std::vector<std::string>{});
  CHECK(copied.report.symlinks == 4500);
  CHECK(copied.report.created == 4502);
  CHECK(fs::read_symlink(scratch / "dst/4499") == target);
  CHECK(get(scratch / "dst/large") == pattern(3'000'000));
}

TEST_CASE("where the contents of sources meet, the first one's file stays") {
  const Scratch scratch;
  for (const std::string source : {"a", "b"}) {
    fs::create_directories(scratch / source);
    put(scratch / (source + "/x"), "of " + source);
    put(scratch / (source + "/only-" + source), source);
  }
  fs::last_write_time(scratch / "a/x", fs::last_write_time(scratch / "b/x") - std::chrono::hours(1));
  fs::create_directories(scratch / "dst");
  CopyOptions times = archive();
  static_cast<void>(copy_trees({scratch / "b/x"}, scratch / "dst", times));
  const Copied copied = copy_trees({scratch / "a/", scratch / "b/"}, scratch / "dst", times);
  CHECK(copied.report.failed == 1);
  CHECK(get(scratch / "dst/x") == "of a");
  CHECK(get(scratch / "dst/only-b") == "b");
}

TEST_CASE("in a destination that is made, contents may come between names") {
  const Scratch scratch;
  fs::create_directories(scratch / "b/d");
  fs::create_directories(scratch / "c/d");
  for (const char* path : {"a", "b/d/of-b", "c/d/of-c"}) put(scratch / path, path);
  CopyOptions options = archive();
  options.mkpath = true;
  const Copied copied =
      copy_trees({scratch / "a", scratch / "b/", scratch / "c/d"}, scratch / "new/dst/", options);
  CHECK(copied.notices == std::vector<std::string>{});
  CHECK(copied.report.status() == 0);
  CHECK(get(scratch / "new/dst/a") == "a");
  CHECK(get(scratch / "new/dst/d/of-b") == "b/d/of-b");
  CHECK(get(scratch / "new/dst/d/of-c") == "c/d/of-c");
}

TEST_CASE("a backup is made of what came after the decision, too") {
  CopyOptions options = archive();
  options.backup = true;
  HostileSender sender(options);
  sender.contents().entry(file("x", 1)).entry(file("large", 1, kLargeSize)).meanwhile([&] {
    put(sender.scratch / "dst/x", "precious");
    put(sender.scratch / "dst/large", "precious");
  });
  sender.content_of(1, "right").frame().large_of(2).end().run();
  CHECK_FALSE(sender.error.has_value());
  CHECK(get(sender.scratch / "dst/x") == "right");
  CHECK(get(sender.scratch / "dst/x~") == "precious");
  CHECK(get(sender.scratch / "dst/large~") == "precious");
}
