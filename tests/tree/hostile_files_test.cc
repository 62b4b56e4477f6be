// A sender that does not play by the rules, or somebody else at the receiver, and large files: those that are
// resumed, their parts and backups, and those that are written in place.
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
#include "tree/content.h"
#include "tree/hostile.h"

using namespace rdpipe;
using namespace rdpipe::test;
using namespace std::literals;

namespace fs = std::filesystem;

TEST_CASE("what is written in place is the file that was there, and nothing that has taken its name") {
  CopyOptions options = archive();
  options.inplace = true;
  for (const bool fifo : {false, true}) {
    HostileSender sender(options);
    const std::string path = sender.scratch / "dst/large";
    put(path, "old");
    const auto plant = [&] {
      fs::remove(path);
      if (fifo) return static_cast<void>(::mkfifo(path.c_str(), 0600));
      fs::create_symlink(sender.scratch / "outside/victim", path);
    };
    sender.contents().entry(file("large", 1, kLargeSize)).meanwhile(plant);
    sender.large_of(1).end().run().check_partial();
  }
}

namespace {

void spoil(const std::string& path, std::streamoff at) {
  std::fstream stream(path, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekp(at).put('!');
}

}  // namespace

TEST_CASE("a resumed file is read back to be verified, what came and what was there") {
  constexpr std::size_t kKept = 2 * kResumeUnit;
  CopyOptions options = archive();
  options.partial = options.verify = true;
  for (const std::streamoff at : {std::streamoff{-1}, std::streamoff{5}, std::streamoff{kKept + 5}}) {
    HostileSender sender(options);
    const std::string part = sender.scratch / "dst/.f.rdpipe-partial";
    put(part, pattern(kKept));
    sender.contents().entry(file("f", 1, kKept + 1000)).frame();
    sender.record(RecordType::kSame, {1, 0, kKept});
    sender.record(RecordType::kData, {1, kKept, 1000}).frame().raw(std::string(1000, 'L'));
    sender.meanwhile([&] {
      for (int turn = 0; turn < 1000 && fs::file_size(part) < kKept + 1000; ++turn) ::usleep(10'000);
      if (at >= 0) spoil(part, at);
    });
    EndFileRecord end;
    end.entry = 1;
    end.size = kKept + 1000;
    sender.record(end).end().run();
    if (at >= 0) {
      sender.check_partial();
      CHECK(sender.notices.at(0).ends_with("what was read back differs: Input/output error"));
      continue;
    }
    CHECK(sender.notices == std::vector<std::string>{});
    CHECK(get(sender.scratch / "dst/f") == pattern(kKept) + std::string(1000, 'L'));
  }
}

TEST_CASE("a sender may name nothing as the same but what the receiver has said it has") {
  CopyOptions options = archive();
  options.partial = true;
  for (const std::uint64_t length : {kResumeUnit + 1, 2 * kResumeUnit, 4 * kResumeUnit}) {
    HostileSender sender(options);
    put(sender.scratch / "dst/.f.rdpipe-partial", pattern(kResumeUnit));
    sender.contents().entry(file("f", 1, 4 * kResumeUnit)).frame();
    sender.record(RecordType::kSame, {1, 0, length}).end().run().check_refused();
  }
}

TEST_CASE("what has a temporary's or a part's name may be a symlink or a hard link to elsewhere") {
  CopyOptions options = archive();
  options.partial = true;
  HostileSender sent(options);
  const std::string victim = sent.scratch / "outside/victim";
  sent.contents().entry(link_entry(".f.rdpipe-partial", victim, 1)).entry(file("f", 1, kLargeSize)).frame();
  sent.large_of(2).end().run();
  sent.check_outside();

  HostileSender planted(options);
  fs::create_symlink(planted.scratch / "outside/victim", planted.scratch / "dst/.f.rdpipe-partial");
  planted.contents().entry(file("f", 1, kLargeSize)).frame().large_of(1).end().run();
  planted.check_outside();
}

TEST_CASE("a part that goes after it was offered is missed") {
  CopyOptions options = archive();
  options.partial = true;
  for (const bool replaced : {false, true}) {
    HostileSender sender(options);
    const std::string part = sender.scratch / "dst/.f.rdpipe-partial";
    put(part, std::string(150'000, 'L'));
    sender.contents().entry(file("f", 1, kLargeSize)).meanwhile([&] {
      CHECK(fs::remove(part));
      if (replaced) put(part, std::string(150'000, 'X'));
    });
    sender.record(RecordType::kSame, {1, 0, 150'000}).record(RecordType::kData, {1, 150'000, 50'000}).frame();
    EndFileRecord end;
    end.entry = 1;
    end.size = kLargeSize;
    sender.raw(std::string(50'000, 'L')).frame().record(end).end().run().check_partial();
    CHECK(sender.report.failed == 1);
    CHECK_FALSE(fs::exists(sender.scratch / "dst/f"));
  }
}

TEST_CASE("a part that somebody else owns, or has a name of, is not used") {
  CopyOptions options = archive();
  options.partial = true;
  for (const bool linked : {true, false}) {
    if (!linked && ::geteuid() != 0) continue;
    HostileSender sender(options);
    const std::string part = sender.scratch / "dst/.f.rdpipe-partial";
    put(part, std::string(150'000, 'L'));
    if (linked) fs::create_hard_link(part, sender.scratch / "dst/theirs");
    if (!linked) REQUIRE(::chown(part.c_str(), 65534, 65534) == 0);
    sender.contents().entry(file("f", 1, kLargeSize)).frame().large_of(1).end().run().check_partial();
    CHECK(sender.report.bytes_reused == 0);
    CHECK(get(part) == std::string(150'000, 'L'));
    CHECK_FALSE(fs::exists(sender.scratch / "dst/f"));
  }
}

TEST_CASE("a part that was offered is nobody else's to write") {
  CopyOptions options = archive();
  options.partial = true;
  HostileSender sender(options);
  const std::string part = sender.scratch / "dst/.f.rdpipe-partial";
  put(part, std::string(150'000, 'L'));
  sender.contents().entry(file("f", 1, kLargeSize)).meanwhile([&] {
    const Descriptor other(::open(part.c_str(), O_WRONLY | O_CLOEXEC));
    CHECK(::flock(other.get(), LOCK_EX | LOCK_NB) == -1);
  });
  sender.large_of(1).end().run();
  sender.check_outside();
  CHECK(get(sender.scratch / "dst/f") == std::string(kLargeSize, 'L'));
}

TEST_CASE("a directory for parts or backups is not reached through a symlink that was sent") {
  CopyOptions options = archive();
  options.partial = true;
  options.partial_dir = "sub/p";
  HostileSender parts(options);
  const std::string target = parts.scratch / "outside";
  parts.contents().entry(link_entry("sub", target, 1)).entry(file("f", 1, kLargeSize)).frame();
  parts.record(RecordType::kData, {2, 0, kLargeSize}).frame().raw(std::string(kShape.slot_size, 'L'));
  parts.run();  // which ends in the middle of the file: the part is kept
  parts.check_outside();

  CopyOptions backup = archive();
  backup.backup = true;
  backup.backup_dir = "sub/p";
  HostileSender backups(backup);
  put(backups.scratch / "dst/f", "old");
  const std::string elsewhere = backups.scratch / "outside";
  backups.contents()
      .entry(link_entry("sub", elsewhere, 1))
      .entry(file("f", 1))
      .content_of(2, "new!!")
      .end()
      .run();
  backups.check_outside();
}
