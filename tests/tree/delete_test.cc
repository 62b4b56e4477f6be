// What --delete takes away, and what gives way to something else.
#include <unistd.h>

#include "catch.h"
#include "tree/trees.h"

using namespace rdpipe;
using namespace rdpipe::test;

namespace fs = std::filesystem;

TEST_CASE("what the source does not have goes with --delete, and only then") {
  const Scratch scratch;
  make_tree(scratch);
  static_cast<void>(copy_trees({scratch / "src"}, scratch / "dst", archive()));
  fs::create_directories(scratch / "dst/extra/below");
  put(scratch / "dst/extra/below/file", "x");
  put(scratch / "dst/sub/other", "x");
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", archive()).report.deleted == 0);
  CopyOptions options = archive();
  options.delete_extra = true;
  options.max_delete = 1;
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", options).report.status() == 25);
  options.max_delete = {};
  const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
  CHECK(copied.report.status() == 0);
  CHECK_FALSE(fs::exists(scratch / "dst/extra"));
  CHECK_FALSE(fs::exists(scratch / "dst/sub/other"));
  CHECK(fs::exists(scratch / "dst/sub/middle"));
}

TEST_CASE("a directory in a file's place is deleted by the rules of --delete") {
  const auto copied_with = [](const Scratch& scratch, CopyOptions options, int status) {
    fs::create_directory(scratch / "src");
    put(scratch / "src/taken", "a file");
    fs::create_directories(scratch / "dst/taken/below");
    put(scratch / "dst/taken/below/one", "1");
    put(scratch / "dst/taken/keep.o", "2");
    options.recursive = true;
    options.out_format = "%i %n";
    CopyOptions dry = options;
    dry.dry_run = true;
    const Copied would = copy_trees({scratch / "src/"}, scratch / "dst", dry);
    CHECK(get(scratch / "dst/taken/below/one") == "1");
    const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
    CHECK(copied.report.status() == status);
    CHECK(would.listed == copied.listed);
    CHECK(would.notices == copied.notices);
    CHECK(would.report.deleted == copied.report.deleted);
    CHECK(would.report.undeleted == copied.report.undeleted);
    CHECK((status == 0) == fs::is_regular_file(scratch / "dst/taken"));
    return copied;
  };
  CopyOptions options;
  const Scratch without, whole, limited, filtered, all, backed_up;
  CHECK(copied_with(without, options, 23).notices.size() == 1);
  CHECK(get(without / "dst/taken/below/one") == "1");

  options.delete_extra = true;
  const Copied gone = copied_with(whole, options, 0);
  CHECK(gone.report.deleted == 3);
  CHECK(gone.listed.size() == 4);

  options.max_delete = 2;
  const Copied limit = copied_with(limited, options, 23);
  CHECK(limit.report.deleted == 2);
  CHECK(limit.report.undeleted == 1);
  CHECK(limit.notices.size() == 1);
  options.max_delete = 3;
  CHECK(copied_with(all, options, 0).report.undeleted == 0);

  options.max_delete = {};
  options.filters = {{false, "*.o"}};
  CHECK(copied_with(filtered, options, 23).notices.size() == 1);
  CHECK(get(filtered / "dst/taken/keep.o") == "2");

  options.backup = true;
  CHECK(copied_with(backed_up, options, 0).notices.empty());
  CHECK(get(backed_up / "dst/taken~/keep.o") == "2");
  CHECK(get(backed_up / "dst/taken~/below/one") == "1");
}

TEST_CASE("a hard link takes the place of a directory that may be deleted") {
  for (const bool may : {true, false}) {
    const Scratch scratch;
    fs::create_directories(scratch / "src");
    put(scratch / "src/a", "linked");
    fs::create_hard_link(scratch / "src/a", scratch / "src/b");
    for (const char* name : {"dst/a/sub", "dst/b/sub"}) fs::create_directories(scratch / name);
    CopyOptions options = archive();
    options.delete_extra = may;
    const Copied copied = copy_trees({scratch / "src/"}, scratch / "dst", options);
    CHECK(copied.report.failed == (may ? 0 : 2));
    for (const char* name : {"dst/a", "dst/b"}) CHECK(fs::is_regular_file(scratch / name) == may);
  }
}

TEST_CASE("what has a temporary's name and is none is deleted like all else") {
  const Scratch scratch;
  const std::string name = "/.x.rdpipe-abcdefgh";
  fs::create_directories(scratch / "src");
  for (const std::string directory : {"dst", "dst/symlink", "dst/file"})
    fs::create_directories(scratch / directory);
  for (const std::string directory : {"src/symlink", "src/file"}) fs::create_directories(scratch / directory);
  fs::create_directories(scratch / ("dst" + name + "/below"));
  fs::create_symlink("nowhere", scratch / ("dst/symlink" + name));
  put(scratch / ("dst/file" + name), "left over");
  CopyOptions options = archive();
  options.delete_extra = true;
  CHECK(copy_trees({scratch / "src/"}, scratch / "dst", options).report.failed == 0);
  for (const std::string directory : {"dst", "dst/symlink", "dst/file"})
    CHECK_FALSE(fs::exists(fs::symlink_status(scratch / (directory + name))));
}
