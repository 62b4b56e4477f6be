// Copies whose loop's own thread looks no name up: workers do, which is what a wall around them is worth. The
// kernel (seccomp) tells of each system call of that thread that takes a path.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <exception>
#include <thread>

#include "catch.h"
#include "tree/trees.h"

using namespace rdpipe;
using namespace rdpipe::test;

namespace fs = std::filesystem;

namespace {

// The last of those calls; a number of 0, read(2) or io_setup(2), is none of them.
std::atomic<int> looked_up = 0;

void refuse(int /*signal*/, siginfo_t* info, [[maybe_unused]] void* context) {
  looked_up = info->si_syscall;
#ifdef __x86_64__
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RAX] = -EACCES;
#endif
}

// Calls that take a path, with the argument that says otherwise: a flag AT_EMPTY_PATH, or no path at all.
constexpr unsigned kAlways = 6;
struct PathCall {
  unsigned number;
  unsigned argument = kAlways;
};
constexpr std::array kPathCalls{
#ifdef SYS_open
    PathCall{SYS_open},         PathCall{SYS_stat},         PathCall{SYS_lstat},
    PathCall{SYS_access},       PathCall{SYS_readlink},     PathCall{SYS_mkdir},
    PathCall{SYS_rmdir},        PathCall{SYS_unlink},       PathCall{SYS_rename},
    PathCall{SYS_link},         PathCall{SYS_symlink},      PathCall{SYS_mknod},
    PathCall{SYS_chmod},        PathCall{SYS_chown},        PathCall{SYS_lchown},
    PathCall{SYS_renameat},
#endif
    PathCall{SYS_openat},       PathCall{SYS_openat2},      PathCall{SYS_newfstatat, 3},
    PathCall{SYS_statx, 2},     PathCall{SYS_faccessat},    PathCall{SYS_readlinkat},
    PathCall{SYS_mkdirat},      PathCall{SYS_unlinkat},     PathCall{SYS_renameat2},
    PathCall{SYS_linkat},       PathCall{SYS_symlinkat},    PathCall{SYS_mknodat},
    PathCall{SYS_fchmodat},     PathCall{SYS_fchownat},     PathCall{SYS_truncate},
    PathCall{SYS_statfs},       PathCall{SYS_utimensat, 1}, PathCall{SYS_getxattr},
    PathCall{SYS_lgetxattr},    PathCall{SYS_setxattr},     PathCall{SYS_lsetxattr},
    PathCall{SYS_listxattr},    PathCall{SYS_llistxattr},   PathCall{SYS_removexattr},
    PathCall{SYS_lremovexattr}, PathCall{SYS_execve}};

// From now on this thread, and those that it starts, hear of each.
void watch_calls() {
  const auto load = [](std::size_t at) {
    return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<unsigned>(at)};
  };
  const auto end = [](unsigned verdict) { return sock_filter{BPF_RET | BPF_K, 0, 0, verdict}; };
  std::vector<sock_filter> filter{load(offsetof(seccomp_data, nr))};
  for (const PathCall& call : kPathCalls) {
    if (call.argument == kAlways) {
      filter.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, call.number});
      filter.push_back(end(SECCOMP_RET_TRAP));
      continue;
    }
    const std::size_t argument = offsetof(seccomp_data, args) + call.argument * sizeof(std::uint64_t);
    filter.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 4, call.number});
    filter.push_back(load(argument));
    const bool is_path = call.number == SYS_utimensat;
    filter.push_back(is_path ? sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0}
                             : sock_filter{BPF_JMP | BPF_JSET | BPF_K, 0, 1, AT_EMPTY_PATH});
    filter.push_back(end(SECCOMP_RET_ALLOW));
    filter.push_back(end(SECCOMP_RET_TRAP));
  }
  filter.push_back(end(SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  struct sigaction action {};
  action.sa_sigaction = refuse;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGSYS, &action, nullptr);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == -1)
    throw_errno(errno, Status::kFileIo, "seccomp");
}

// Runs `work` in a thread whose loop has workers; of these no calls are told. Returns the last call that was.
int watched(const std::function<void(Loop& loop)>& work) {
  looked_up = 0;
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      Loop loop;
      start_workers(loop);
      work(loop);
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
  return looked_up;
}

// Copies with both ends confined to `root`.
struct WatchedCopy {
  explicit WatchedCopy(const std::string& root)
      : directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

  [[nodiscard]] int copy(const std::vector<std::string>& sources, const std::string& destination,
                         CopyOptions options) {
    notices.clear();
    options.notice = [this](const std::string& line) { notices.push_back(line); };
    options.beneath = directory.get();
    return watched([&](Loop& loop) {
      Ring ring({64_KiB, 8});
      TreeSink sink(destination, options, "receiver");  // which asks /proc for the umask
      watch_calls();
      TreeSource source(sources, options, "sender");
      pump(loop, ring, source, sink);
      report = source.report();
      report.failed += source.take_removals().run(loop, options.notice);
    });
  }

  Descriptor directory;
  CopyReport report;
  std::vector<std::string> notices;
};

CopyOptions all_of_it() {
  CopyOptions options = archive();
  options.globs = options.mkpath = options.fsync = options.delete_extra = options.backup = true;
  options.backup_dir = "/kept";
  return options;
}

}  // namespace

TEST_CASE("the thread of a loop is told of each path that it looks up itself") {
  const Scratch scratch;
  const std::string path = scratch / "file";
  int before = -1;
  struct stat status {};
  const int last = watched([&](Loop& loop) {
    watch_calls();
    Operation operation;
    loop.run(operation, [&]() -> std::int64_t { return ::mkdir(path.c_str(), 0700); });
    while (!operation.done()) wait_for_something(loop);
    if (::fstat(0, &status) == 0) before = looked_up;
    static_cast<void>(::stat(path.c_str(), &status));
  });
  CHECK(before == 0);
  CHECK(last != 0);
  CHECK(fs::is_directory(path));
}

TEST_CASE("a tree is copied, with all that belongs to it, by the workers alone") {
  const Scratch scratch;
  fs::create_directories(scratch / "root");
  make_tree(scratch);
  fs::rename(scratch / "src", scratch / "root/src");
  const std::string file = scratch / "root/src/sub/deep/large";
  const bool has_xattrs = ::setxattr(file.c_str(), "user.test", "value", 5, 0) == 0;
  WatchedCopy watched_copy(scratch / "root");
  CopyOptions options = all_of_it();
  SECTION("as it comes") {}
  SECTION("large files past the page cache") {
    const Descriptor direct(::open(file.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
    if (direct) options.direct = CopyDirect::kOn;
  }
  SECTION("with parts kept") {
    options.partial = true;
    options.partial_dir = "/parts";
  }
  SECTION("large files in place") {
    options.inplace = true;
    options.backup = false;
    options.backup_dir.clear();
  }
  SECTION("verified, with holes") { options.verify = options.sparse = true; }
  for (const char* content : {"once", "twice"}) {
    put(scratch / "root/src/small", content);
    put(file, content + pattern(3'000'000));
    if (fs::exists(scratch / "root/new/src")) put(scratch / "root/new/src/extra", "extra");
    CHECK(watched_copy.copy({"/s[r]c"}, "/new/", options) == 0);
    CHECK(watched_copy.notices == std::vector<std::string>{});
    CHECK(get(scratch / "root/new/src/small") == content);
    CHECK(get(scratch / "root/new/src/sub/deep/large") == content + pattern(3'000'000));
  }
  CHECK_FALSE(fs::exists(scratch / "root/new/src/extra"));
  CHECK(fs::hard_link_count(scratch / "root/new/src/small") == 2);
  CHECK(fs::exists(scratch / "root/kept/src/small") == options.backup);
  const std::string copy = scratch / "root/new/src/sub/deep/large";
  if (has_xattrs) CHECK(::getxattr(copy.c_str(), "user.test", nullptr, 0) == 5);
}

TEST_CASE("sources are removed by the workers alone") {
  const Scratch scratch;
  fs::create_directories(scratch / "root/src");
  put(scratch / "root/src/small", "small");
  put(scratch / "root/src/large", pattern(300'000));
  WatchedCopy watched_copy(scratch / "root");
  CopyOptions options = archive();
  options.remove_source_files = true;
  CHECK(watched_copy.copy({"/src/"}, "/dst", options) == 0);
  CHECK(fs::is_empty(scratch / "root/src"));
  CHECK(get(scratch / "root/dst/large") == pattern(300'000));
}

TEST_CASE("what is left of a large file whose copy breaks off is removed by the workers alone") {
  const Scratch scratch;
  fs::create_directories(scratch / "root/src");
  fs::create_directory(scratch / "root/dst");
  put(scratch / "root/src/large", pattern(10'000'000));
  const Descriptor root(::open((scratch / "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  CopyOptions options = archive();
  options.beneath = root.get();
  std::int64_t temporaries = 0;
  const int last = watched([&](Loop& loop) {
    Ring ring({64_KiB, 8});
    TreeSource source({"/src/"}, options, "sender");
    TreeSink sink("/dst", options, "receiver");
    watch_calls();
    source.start(loop, ring, ring.shape().slot_size);
    sink.start(loop, ring, {});
    for (int slots = 0; slots < 20;) {
      sink.poll();
      while (auto note = sink.take_note()) source.note(*note);
      auto event = source.poll(true);
      if (!event) {
        wait_for_something(loop);
      } else {
        sink.write(std::move(std::get<Filled>(*event).slot));
        ++slots;
      }
    }
    Operation looking;
    loop.run(looking, [&] { return std::distance(fs::directory_iterator(scratch / "root/dst"), {}); });
    while (!looking.done()) wait_for_something(loop);
    temporaries = looking.take();
  });
  CHECK(last == 0);
  CHECK(temporaries == 1);
  CHECK(fs::is_empty(scratch / "root/dst"));
}
