// Sources that change while they are read. Every read of one waits for the test, which may write to it first.
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
