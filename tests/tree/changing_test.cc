// Sources that change while they are read: every read of one waits for the test, which may write to it first.
// And such as change between their listing and their reading.
#include <fcntl.h>
#include <poll.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <thread>
#include <utility>

#include "catch.h"
#include "ground/descriptor.h"
#include "tree/trees.h"

using namespace rdpipe;
using namespace rdpipe::test;
using namespace std::literals;

namespace fs = std::filesystem;

namespace {

// Calls `before_read` on a thread of its own, with the file open, before any read of `path` goes on.
class Watch {
 public:
  Watch(const std::string& path, std::function<void(int fd)> before_read)
      : queue_(::fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK, O_RDWR | O_CLOEXEC)),
        before_read_(std::move(before_read)) {
    active_ =
        queue_ && ::fanotify_mark(queue_.get(), FAN_MARK_ADD, FAN_ACCESS_PERM, AT_FDCWD, path.c_str()) == 0;
    if (active_) thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  [[nodiscard]] bool active() const { return active_; }

 private:
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd ready{.fd = queue_.get(), .events = POLLIN, .revents = 0};
      ::poll(&ready, 1, 20);
      fanotify_event_metadata event{};
      while (::read(queue_.get(), &event, sizeof event) == sizeof event) {
        const Descriptor file(event.fd);
        before_read_(file.get());
        const fanotify_response answer{.fd = file.get(), .response = FAN_ALLOW};
        [[maybe_unused]] const ssize_t count = ::write(queue_.get(), &answer, sizeof answer);
      }
    }
  }

  Descriptor queue_;
  std::function<void(int fd)> before_read_;
  bool active_ = false;
  std::jthread thread_;
};

// Writes `content` from the start, at a time of its own.
void rewrite(int fd, const std::string& content, std::int64_t seconds) {
  [[maybe_unused]] const ssize_t count = ::pwrite(fd, content.data(), content.size(), 0);
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  ::futimens(fd, times);
}

struct Changing {
  explicit Changing(std::size_t size)
      : old(pattern(size, 1)), fresh(pattern(size, 2)), before(pattern(100, 3)) {
    std::filesystem::create_directories(scratch / "src");
    std::filesystem::create_directories(scratch / "dst/src");
    put(scratch / "src/file", old);
    set_time(scratch / "src/file", 1'000'000'000, 0);
    put(scratch / "dst/src/file", before);
    set_time(scratch / "dst/src/file", 900'000'000, 0);
  }
  Copied copy(std::function<void(int fd)> before_read) {
    const Watch watch(scratch / "src/file", std::move(before_read));
    active = watch.active();
    CopyOptions options = archive();
    options.direct = CopyDirect::kOff;  // reads that are watched
    return copy_trees({scratch / "src"}, scratch / "dst", options);
  }
  [[nodiscard]] std::string arrived() const { return get(scratch / "dst/src/file"); }

  Scratch scratch;
  std::string old, fresh, before;
  bool active = false;
};

}  // namespace

TEST_CASE("a small file that is rewritten while it is read is read again") {
  Changing changing(50'000);
  int reads = 0;
  const Copied copied = changing.copy([&](int fd) {
    if (++reads == 1) rewrite(fd, changing.fresh, 1'000'000'001);
  });
  if (!changing.active) {
    WARN("skipped: not permitted to watch reads");
    return;
  }
  CHECK(reads >= 2);
  CHECK(copied.report.failed == 0);
  CHECK(changing.arrived() == changing.fresh);
}

TEST_CASE("a file that is rewritten all the while is not put in place") {
  const auto size = GENERATE(std::size_t{50'000}, std::size_t{3'000'000});
  Changing changing(size);
  int reads = 0;
  const Copied copied = changing.copy([&](int fd) {
    ++reads;
    rewrite(fd, reads % 2 == 0 ? changing.old : changing.fresh, 1'000'000'000 + reads);
  });
  if (!changing.active) {
    WARN("skipped: not permitted to watch reads");
    return;
  }
  CHECK(copied.report.failed == 1);
  REQUIRE(copied.notices.size() == 1);
  CHECK(copied.notices[0].find("src/file': it changed while it was read") != std::string::npos);
  CHECK(changing.arrived() == changing.before);
}

TEST_CASE("a file that grows while it is read is sent as it was") {
  const auto size = GENERATE(std::size_t{50'000}, std::size_t{3'000'000});
  Changing changing(size);
  const Copied copied = changing.copy([&](int fd) {
    [[maybe_unused]] const ssize_t count = ::pwrite(fd, "more", 4, static_cast<off_t>(size));
  });
  CHECK(copied.report.failed == 0);
  CHECK(changing.arrived() == changing.old);
}

namespace {

constexpr RingShape kFrames{64_KiB, 8};
constexpr std::int64_t kThen = 1'000'000'000;

// "src" with files of `size` bytes, which `change` is called for once all are listed and none was read.
struct Between {
  Copied copy(const std::vector<std::string>& names, std::size_t size,
              const std::function<void(const std::string& path)>& change) {
    fs::create_directory(scratch / "src");
    for (const std::string& name : names) {
      put(scratch / ("src/" + name), pattern(size, 1));
      set_time(scratch / ("src/" + name), kThen, 0);
    }
    const auto change_all = [&] {
      for (const std::string& name : names) change(scratch / ("src/" + name));
    };
    return copy_trees({scratch / "src/"}, scratch / "dst", archive(), kFrames, change_all);
  }
  void check_whole(const std::string& name, const std::string& content) const {
    CHECK(get(scratch / ("dst/" + name)) == content);
    const struct stat source = stat_of(scratch / ("src/" + name));
    const struct stat copy = stat_of(scratch / ("dst/" + name));
    CHECK(copy.st_mtim.tv_sec == source.st_mtim.tv_sec);
    CHECK(copy.st_mtim.tv_nsec == source.st_mtim.tv_nsec);
  }
  Scratch scratch;
};

void replace(const std::string& path, const std::string& content) {
  put(path + ".new", content);
  set_time(path + ".new", kThen + 7, 7);
  fs::rename(path + ".new", path);
}

}  // namespace

TEST_CASE("a small file that became another one before it was read arrives whole") {
  // Longer, shorter, and of the same size at another time; a new file, or written over.
  const auto size = GENERATE(std::size_t{0}, std::size_t{40}, std::size_t{100}, std::size_t{60'000});
  const bool renamed = GENERATE(true, false);
  CAPTURE(size, renamed);
  Between between;
  const std::string fresh = pattern(size, 2);
  const Copied copied = between.copy({"file"}, 100, [&](const std::string& path) {
    if (renamed) return replace(path, fresh);
    put(path, fresh);
    set_time(path, kThen + 9, 9);
  });
  CHECK(copied.notices == std::vector<std::string>{});
  CHECK(copied.report.failed == 0);
  between.check_whole("file", fresh);
  CHECK(copy_trees({between.scratch / "src/"}, between.scratch / "dst", archive()).report.files_moved == 0);
}

TEST_CASE("a small file that one too long for its frame has replaced fails") {
  Between between;
  fs::create_directory(between.scratch / "dst");
  put(between.scratch / "dst/file", "before");
  const Copied copied = between.copy(
      {"file"}, 100, [&](const std::string& path) { replace(path, pattern(kFrames.slot_size, 2)); });
  CHECK(copied.report.failed == 1);
  REQUIRE(copied.notices.size() == 1);
  CHECK(copied.notices[0].find("src/file': a longer one has replaced it") != std::string::npos);
  CHECK(get(between.scratch / "dst/file") == "before");
  const Copied again = copy_trees({between.scratch / "src/"}, between.scratch / "dst", archive(), kFrames);
  CHECK(again.report.failed == 0);
  between.check_whole("file", pattern(kFrames.slot_size, 2));
}

TEST_CASE("what was appended to a small file, and fits no more, goes with the next copy") {
  Between between;
  const Copied copied = between.copy({"file"}, 100, [&](const std::string& path) {
    put(path, pattern(100, 1) + pattern(kFrames.slot_size, 2));
  });
  CHECK(copied.report.failed == 0);
  CHECK(get(between.scratch / "dst/file") == pattern(100, 1));
  CHECK(stat_of(between.scratch / "dst/file").st_mtim.tv_sec == kThen);
  CHECK(copy_trees({between.scratch / "src/"}, between.scratch / "dst", archive()).report.files_moved == 1);
  between.check_whole("file", pattern(100, 1) + pattern(kFrames.slot_size, 2));
}

// Each of them would take what room there is in their frame.
TEST_CASE("a small file that became longer leaves those behind it their room") {
  Between between;
  const Copied copied = between.copy({"a", "b", "c"}, 15'000,
                                     [&](const std::string& path) { replace(path, pattern(30'000, 2)); });
  CHECK(copied.report.failed == copied.notices.size());
  std::uint64_t whole = 0;
  for (const std::string name : {"a", "b", "c"}) {
    if (!fs::exists(between.scratch / ("dst/" + name))) continue;
    ++whole;
    between.check_whole(name, pattern(30'000, 2));
  }
  CHECK(whole > 0);
  CHECK(whole + copied.report.failed == 3);
}
