// Threads that the kernel confines to a directory: a program of its own, for a kernel that has Landlock. Each
// case confines a thread that it starts; the others are as they were.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "catch.h"
#include "serve/landlock.h"
#include "serve/user.h"
#include "transport/rdma_links.h"
#include "tree/attributes.h"
#include "tree/trees.h"

using namespace rdpipe;
using namespace rdpipe::test;

namespace fs = std::filesystem;

namespace {

// "root" is shared, "outside" is not.
struct Shared {
  Shared() {
    fs::create_directories(scratch / "root/a");
    fs::create_directories(scratch / "root/b");
    fs::create_directory(scratch / "outside");
    put(scratch / "root/a/file", "shared");
    put(scratch / "outside/secret", "secret");
    fs::create_symlink("../../outside/secret", scratch / "root/a/link");
    root = Descriptor(::open((scratch / "root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    REQUIRE(root);
  }
  // Runs `work` in a thread that is confined. False when the kernel cannot, which a guest's can.
  [[nodiscard]] bool confined(bool may_write, const std::function<void()>& work) const {
    Confinement confinement;
    std::exception_ptr thrown;
    std::thread thread([&] {
      try {
        confinement = confine_thread(root.get(), may_write, readable);
        if (confinement.holds) work();
      } catch (...) {
        thrown = std::current_exception();
      }
    });
    thread.join();
    if (thrown) std::rethrow_exception(thrown);
    if (confinement.holds) return true;
    CHECK_FALSE(confinement.reason.empty());
    if (std::getenv("RDPIPE_GUEST") != nullptr) FAIL(confinement.reason);
    WARN("skipped: " << confinement.reason);
    return false;
  }

  Scratch scratch;
  Descriptor root;
  std::vector<std::string> readable{};  // besides
};

// errno values by what was tried; 0 for what went well. A thread fills it, Catch2 looks at it afterwards.
using Outcomes = std::map<std::string, int>;

int outcome(long result) { return result == -1 ? errno : 0; }
int outcome_of_open(const std::string& path, int flags, int at = AT_FDCWD) {
  const Descriptor fd(::openat(at, path.c_str(), flags | O_CLOEXEC, 0600));
  return fd ? 0 : errno;
}

void check_all(const Outcomes& outcomes, int expected, int or_else = -1) {
  CHECK_FALSE(outcomes.empty());
  for (const auto& [what, error] : outcomes) {
    INFO(what << ": " << std::strerror(error));
    CHECK((error == expected || error == or_else));
  }
}

Outcomes touch_outside(const Shared& shared, const Descriptor& secret) {
  const auto& scratch = shared.scratch;
  const std::string outside = scratch / "outside", root = scratch / "root";
  Outcomes tried;
  tried["open"] = outcome_of_open(outside + "/secret", O_RDONLY);
  tried["open to write"] = outcome_of_open(outside + "/secret", O_WRONLY);
  tried["open by .."] = outcome_of_open("../outside/secret", O_RDONLY, shared.root.get());
  tried["open by a symlink"] = outcome_of_open(root + "/a/link", O_RDONLY);
  tried["open by a descriptor"] = outcome_of_open(fmt::format("/proc/self/fd/{}", secret.get()), O_RDONLY);
  tried["list"] = outcome_of_open(outside, O_RDONLY | O_DIRECTORY);
  tried["create"] = outcome_of_open(outside + "/new", O_WRONLY | O_CREAT);
  tried["mkdir"] = outcome(::mkdir((outside + "/new").c_str(), 0700));
  tried["symlink"] = outcome(::symlink("x", (outside + "/new").c_str()));
  tried["unlink"] = outcome(::unlink((outside + "/secret").c_str()));
  tried["rename within"] = outcome(::rename((outside + "/secret").c_str(), (outside + "/other").c_str()));
  tried["rename in"] = outcome(::rename((outside + "/secret").c_str(), (root + "/a/stolen").c_str()));
  tried["rename out"] = outcome(::rename((root + "/a/file").c_str(), (outside + "/given").c_str()));
  tried["link in"] = outcome(::link((outside + "/secret").c_str(), (root + "/a/stolen").c_str()));
  tried["shadow"] = outcome_of_open("/etc/shadow", O_RDONLY);
  tried["environment"] = outcome_of_open("/proc/self/environ", O_RDONLY);
  tried["etc"] = outcome_of_open("/etc", O_RDONLY | O_DIRECTORY);
  return tried;
}

Outcomes work_inside(const std::string& root) {
  Outcomes tried;
  tried["read"] = outcome_of_open(root + "/a/file", O_RDONLY);
  tried["list"] = outcome_of_open(root + "/a", O_RDONLY | O_DIRECTORY);
  tried["list the top"] = outcome_of_open(root, O_RDONLY | O_DIRECTORY);
  tried["create"] = outcome_of_open(root + "/a/new", O_RDWR | O_CREAT | O_EXCL);
  tried["truncate"] = outcome(::truncate((root + "/a/new").c_str(), 5));
  tried["open to truncate"] = outcome_of_open(root + "/a/new", O_RDWR | O_TRUNC);
  tried["mkdir"] = outcome(::mkdir((root + "/c").c_str(), 0700));
  tried["rename across"] = outcome(::rename((root + "/a/new").c_str(), (root + "/b/new").c_str()));
  tried["rename over"] = outcome(::rename((root + "/b/new").c_str(), (root + "/a/file").c_str()));
  tried["rename a directory"] = outcome(::rename((root + "/c").c_str(), (root + "/b/c").c_str()));
  tried["link across"] = outcome(::link((root + "/a/file").c_str(), (root + "/b/c/same").c_str()));
  tried["symlink"] = outcome(::symlink("x", (root + "/a/x").c_str()));
  tried["fifo"] = outcome(::mkfifo((root + "/a/fifo").c_str(), 0600));
  tried["chmod"] = outcome(::chmod((root + "/a/fifo").c_str(), 0640));
  tried["unlink"] = outcome(::unlink((root + "/b/c/same").c_str()));
  tried["rmdir"] = outcome(::rmdir((root + "/b/c").c_str()));
  return tried;
}

}  // namespace

TEST_CASE("a confined thread opens, makes, removes and renames nothing outside", "[landlock]") {
  const Shared shared;
  const Descriptor secret(::open((shared.scratch / "outside/secret").c_str(), O_PATH | O_CLOEXEC));
  Outcomes tried;
  if (!shared.confined(true, [&] { tried = touch_outside(shared, secret); })) return;
  check_all(tried, EACCES, EXDEV);
  for (const char* what : {"open", "open by a symlink", "open by a descriptor", "create", "unlink"}) {
    CHECK(tried[what] == EACCES);
  }
  CHECK(get(shared.scratch / "outside/secret") == "secret");  // this thread is free
  put(shared.scratch / "outside/new", "");
}

TEST_CASE("a confined thread works inside as it pleases, across directories too", "[landlock]") {
  const Shared shared;
  Outcomes tried;
  if (!shared.confined(true, [&] { tried = work_inside(shared.scratch / "root"); })) return;
  check_all(tried, 0);
}

TEST_CASE("a confined thread that may not write only reads", "[landlock]") {
  const Shared shared;
  const std::string root = shared.scratch / "root";
  Outcomes reads, writes;
  const bool held = shared.confined(false, [&] {
    reads["read"] = outcome_of_open(root + "/a/file", O_RDONLY);
    reads["list"] = outcome_of_open(root, O_RDONLY | O_DIRECTORY);
    writes["write"] = outcome_of_open(root + "/a/file", O_WRONLY);
    writes["create"] = outcome_of_open(root + "/a/new", O_WRONLY | O_CREAT);
    writes["mkdir"] = outcome(::mkdir((root + "/c").c_str(), 0700));
    writes["unlink"] = outcome(::unlink((root + "/a/file").c_str()));
    writes["rename"] = outcome(::rename((root + "/a/file").c_str(), (root + "/a/other").c_str()));
  });
  if (!held) return;
  check_all(reads, 0);
  check_all(writes, EACCES);
}

TEST_CASE("a confined thread reads what it is given besides, and does not write there", "[landlock]") {
  Shared shared;
  const std::string outside = shared.scratch / "outside";
  put(outside + "/other", "");
  SECTION("a directory") { shared.readable = {outside, "/no/such/file"}; }
  SECTION("a file") { shared.readable = {"/no/such/file", outside + "/secret"}; }
  int read = -1, written = -1, other = -1;
  const bool held = shared.confined(true, [&] {
    read = outcome_of_open(outside + "/secret", O_RDONLY);
    written = outcome_of_open(outside + "/secret", O_WRONLY);
    other = outcome_of_open(outside + "/other", O_RDONLY);
  });
  if (!held) return;
  CHECK(read == 0);
  CHECK(written == EACCES);
  CHECK(other == (shared.readable.front() == outside ? 0 : EACCES));
}

TEST_CASE("what the libraries need is still there, also when the kernel is short of memory", "[landlock]") {
  const Shared shared;
  Outcomes tried;
  std::string user;
  // In a guest, which nobody else uses, the kernel forgets what nobody has open.
  std::promise<void> confined;
  const auto forgotten = std::async(std::launch::async, [&, ready = confined.get_future()] {
    if (ready.wait_for(std::chrono::seconds(5)) != std::future_status::ready) return;
    if (std::getenv("RDPIPE_GUEST") != nullptr) std::ofstream("/proc/sys/vm/drop_caches") << "2\n";
  });
  const bool held = shared.confined(true, [&] {
    passwd entry{};
    passwd* found = nullptr;
    std::vector<char> memory(4096);
    ::getpwuid_r(0, &entry, memory.data(), memory.size(), &found);
    if (found != nullptr) user = found->pw_name;
    confined.set_value();
    forgotten.wait();
    tried["boot_id"] = outcome_of_open("/proc/sys/kernel/random/boot_id", O_RDONLY);
    tried["passwd"] = outcome_of_open("/etc/passwd", O_RDONLY);
  });
  if (!held) return;
  check_all(tried, 0);
  CHECK(user == "root");
}

TEST_CASE("threads that a confined thread starts are confined, and nothing can be executed", "[landlock]") {
  const Shared shared;
  int opened = 0, status = 0;
  const bool held = shared.confined(true, [&] {
    std::thread([&] { opened = outcome_of_open(shared.scratch / "outside/secret", O_RDONLY); }).join();
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/bin/true", "true", nullptr);
      ::_exit(errno == EACCES ? 13 : 1);
    }
    ::waitpid(child, &status, 0);
  });
  if (!held) return;
  CHECK(opened == EACCES);
  CHECK(WEXITSTATUS(status) == 13);
}

TEST_CASE("a whole tree is copied by a confined thread", "[landlock]") {
  const Shared shared;
  const Scratch& scratch = shared.scratch;
  fs::create_directories(scratch / "root/src/sub");
  put(scratch / "root/src/small", "small");
  put(scratch / "root/src/sub/large", rdpipe::test::pattern(3'000'000));
  fs::create_hard_link(scratch / "root/src/small", scratch / "root/src/sub/same");
  Copied copied;
  CopyOptions options = archive();
  options.beneath = shared.root.get();
  options.backup = options.partial = options.fsync = options.verify = true;
  options.backup_dir = "/kept";
  options.partial_dir = "/parts";
  options.mkpath = true;
  options.umask = umask_of_self();  // out of reach behind the wall
  const bool held = shared.confined(true, [&] {
    for (const char* content : {"once", "twice"}) {
      put(scratch / "root/src/small", content);
      copied = copy_trees({"/src/"}, "/new/dst", options);
    }
  });
  if (!held) return;
  CHECK(copied.notices == std::vector<std::string>{});
  CHECK(get(scratch / "root/new/dst/small") == "twice");
  CHECK(get(scratch / "root/kept/small") == "once");
  CHECK(get(scratch / "root/new/dst/sub/large") == rdpipe::test::pattern(3'000'000));
}

// As a client over RDMA is served: the loop's own thread may not be confined to what its workers are.
TEST_CASE("a whole tree is copied by confined workers, whatever the loop's own thread may open",
          "[landlock]") {
  const Shared shared;
  const Scratch& scratch = shared.scratch;
  fs::create_directories(scratch / "root/src/sub");
  put(scratch / "root/src/small", "small");
  put(scratch / "root/src/sub/large", rdpipe::test::pattern(3'000'000));
  const Descriptor elsewhere(::open((scratch / "outside").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  std::mutex confining;
  std::vector<Confinement> of_workers;
  CopyOptions options = archive();
  options.beneath = shared.root.get();
  options.globs = options.mkpath = options.backup = options.delete_extra = options.partial = true;
  options.remove_source_files = true;
  if (outcome_of_open(scratch / "root/src/small", O_RDONLY | O_DIRECT) == 0) options.direct = CopyDirect::kOn;
  options.partial_dir = "/parts";
  options.umask = umask_of_self();  // out of reach behind the wall
  std::vector<std::string> notices;
  options.notice = [&](const std::string& line) { notices.push_back(line); };
  int own = 0;
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      Loop loop({.begin_worker = [&] {
        const std::lock_guard lock(confining);
        of_workers.push_back(confine_thread(shared.root.get(), true));
      }});
      start_workers(loop);
      const Confinement confinement = confine_thread(elsewhere.get(), false);
      own = outcome_of_open(scratch / "root/src/small", O_RDONLY);
      Ring ring({64_KiB, 8});
      TreeSource source({"/s*c"}, options, "sender");
      TreeSink sink("/new/", options, "receiver");
      pump(loop, ring, source, sink);
      static_cast<void>(source.take_removals().run(loop, options.notice));
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
  CHECK(notices == std::vector<std::string>{});
  CHECK(get(scratch / "root/new/src/sub/large") == rdpipe::test::pattern(3'000'000));
  CHECK(fs::is_empty(scratch / "root/src/sub"));
  CHECK(of_workers.size() == 2);
  if (of_workers.front().holds) CHECK(own == EACCES);
}

namespace {

// Both ends of a connection over a real device; the second one hears what the first one says.
std::size_t talk(Loop& loop, Link& from, Link& to) {
  from.post_control(std::as_bytes(std::span("hello", 5)));
  std::size_t heard = 0;
  await(loop, [&] {
    static_cast<void>(from.poll());
    const auto event = to.poll();
    if (event && std::holds_alternative<Control>(*event)) heard = std::get<Control>(*event).bytes.size();
    return event.has_value();
  });
  return heard;
}

// The drivers take commands only of whoever opened them: with the same credentials, not merely the same user.
std::size_t talk_in_another_thread(Loop& home, Both& both) {
  std::size_t heard = 0;
  std::thread([&] {
    Loop own;
    both.a->move_to(own);
    both.b->move_to(own);
    Ring ring({64_KiB, 4});
    both.a->attach(ring);
    heard = talk(own, *both.a, *both.b);
    both.a->move_to(home);
    both.b->move_to(home);
  }).join();
  return heard;
}

}  // namespace

TEST_CASE("RDMA goes on in the threads of one that was confined before it listened", "[rdma][landlock]") {
  const Shared shared;
  std::size_t heard = 0;
  const bool held = shared.confined(true, [&] {
    Loop loop;
    Both both = connect_both(loop, host());
    heard = talk(loop, *both.b, *both.a) + talk_in_another_thread(loop, both);
  });
  if (held) CHECK(heard == 10);
}

// What is open of a device belongs to the whole process: each of these has one of its own.
TEST_CASE("RDMA: a user that was become before it listens", "[.early]") {
  become_user("nobody");
  Loop loop;
  Both both = connect_both(loop, host());
  CHECK(talk(loop, *both.b, *both.a) + talk_in_another_thread(loop, both) == 10);
}

TEST_CASE("RDMA: a user that is become once it listens", "[.late]") {
  Loop loop;
  const auto acceptor = listen_rdma(loop, "0", {});
  become_user("nobody");
  const auto dial = dial_rdma(loop, {host(), std::to_string(acceptor->port())}, {});
  CHECK_THROWS_AS(await(loop, [&] { return dial->poll() && acceptor->poll(); }), Error);
}

TEST_CASE("RDMA goes on where another user was become before it listens, and only there", "[rdma]") {
  for (const char* order : {"[.early]", "[.late]"}) {
    INFO(order);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const rlimit limit{RLIM_INFINITY, RLIM_INFINITY};
      ::setrlimit(RLIMIT_MEMLOCK, &limit);
      ::execl("/proc/self/exe", "test_rdma_confined", order, nullptr);
      ::_exit(99);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
}
