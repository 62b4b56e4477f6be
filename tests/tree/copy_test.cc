// Trees copied through source and sink in memory, real files at both ends.
#include <sys/stat.h>
#include <unistd.h>

#include "catch.h"
#include "tree/trees.h"

using namespace rdpipe;
using namespace rdpipe::test;

namespace fs = std::filesystem;

namespace {

void set_time(const std::string& path, std::int64_t seconds, long nanoseconds) {
  const timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

// "src" with files of many sizes, a symlink, a FIFO, a hard link, an empty and a read-only directory.
void make_tree(const Scratch& scratch) {
  fs::create_directories(scratch / "src/sub/deep");
  fs::create_directory(scratch / "src/empty");
  put(scratch / "src/zero", "");
  put(scratch / "src/small", "hello\n");
  put(scratch / "src/sub/middle", pattern(50'000));
  put(scratch / "src/sub/deep/large", pattern(3'000'000, 7));
  fs::create_symlink("../small", scratch / "src/sub/link");
  fs::create_hard_link(scratch / "src/small", scratch / "src/sub/same");
  REQUIRE(::mkfifo((scratch / "src/fifo").c_str(), 0640) == 0);
  set_time(scratch / "src/small", 1'000'000'000, 123'456'789);
  set_time(scratch / "src/sub/link", 1'100'000'000, 5);
  ::chmod((scratch / "src/empty").c_str(), 0555);
  set_time(scratch / "src/sub", 1'200'000'000, 987);
  set_time(scratch / "src", 1'300'000'000, 1);
}

}  // namespace

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

TEST_CASE("a hostile sender gets nowhere") {
  const Scratch scratch;
  fs::create_directory(scratch / "dst");
  Loop loop;
  Ring ring({64_KiB, 8});
  const auto send = [&](const std::vector<EntryRecord>& entries, CopyOptions options = archive()) {
    std::vector<std::byte> bytes;
    append(BeginRecord{.sources = 1}, bytes);
    for (const EntryRecord& entry : entries) append(entry, bytes);
    TreeSink sink(scratch / "dst", options, "sender");
    sink.start(loop, ring, {});
    Slot slot = acquire(loop, ring, sink);
    slot.resize(bytes.size());
    std::copy(bytes.begin(), bytes.end(), slot.payload().begin());
    sink.write(std::move(slot));
    for (int i = 0; i < 100; ++i) {
      sink.poll();
      loop.wait(Deadline::in(std::chrono::milliseconds(2)));
    }
  };
  EntryRecord entry;
  entry.type = EntryType::kFile;
  for (const std::string name : {"..", ".", "a/b", "", "/etc/passwd"}) {
    entry.name = name;
    CHECK_THROWS_AS(send({entry}), Error);
  }
  EntryRecord directory;
  directory.type = EntryType::kDirectory;
  directory.name = "d";
  entry.parent = 1;
  entry.name = "twice";
  CHECK_THROWS_AS(send({directory, entry, entry}), Error);
  entry.parent = 9;
  CHECK_THROWS_AS(send({directory, entry}), Error);
  EntryRecord link;
  link.type = EntryType::kFile;
  link.name = "link";
  link.head = 77;
  CHECK_THROWS_AS(send({link}), Error);
  CopyOptions pull = archive();
  pull.requested = {"host/wanted"};
  entry.parent = 0;
  entry.name = "unwanted";
  CHECK_THROWS_AS(send({entry}, pull), Error);
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
