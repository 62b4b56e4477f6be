// Trees for tests: a scratch directory, and copies pumped by hand from a TreeSource into a TreeSink.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "catch.h"
#include "files/scratch.h"
#include "io/loop.h"
#include "ring/ring.h"
#include "tree/note.h"
#include "tree/tree_sink.h"
#include "tree/tree_source.h"

namespace rdpipe::test {

struct Copied {
  CopyReport report;
  std::vector<std::string> notices, listed;
};

// Every piece of one into the other, and notes back, as send and receive would pass them. `listed` is called
// once, before the sender hears what is wanted of the first files: nothing of them was read.
inline void pump(Loop& loop, Ring& ring, TreeSource& source, TreeSink& sink,
                 std::function<void()> listed = {}) {
  const auto pass = [&](std::span<const std::byte> bytes) {
    const auto note = decode_note(bytes);
    const bool answers = note && std::holds_alternative<VerdictNote>(*note);
    if (listed && answers) std::exchange(listed, {})();
    source.note(bytes);
  };
  source.start(loop, ring, ring.shape().slot_size);
  sink.start(loop, ring, {});
  bool ended = false;
  while (!sink.committed()) {
    sink.poll();
    while (auto note = sink.take_note()) pass(*note);
    if (sink.committed()) break;
    auto event = ended ? std::nullopt : source.poll(true);
    if (!event) {
      wait_for_something(loop);
    } else if (std::holds_alternative<SourceEnd>(*event)) {
      ended = true;
      sink.finish();
    } else if (auto* filled = std::get_if<Filled>(&*event)) {
      sink.write(std::move(filled->slot));
    } else {
      sink.write_hole({}, std::get<Hole>(*event).length);
    }
  }
  while (auto note = sink.take_note()) pass(*note);
}

inline Copied copy_trees(const std::vector<std::string>& sources, const std::string& destination,
                         CopyOptions options, RingShape shape = {64_KiB, 8},
                         std::function<void()> listed = {}) {
  Copied copied;
  options.notice = [&](const std::string& line) { copied.notices.push_back(line); };
  options.listed = [&](const std::string& line) { copied.listed.push_back(line); };
  Loop loop;
  Ring ring(shape);
  TreeSource source(sources, options, "sender");
  TreeSink sink(destination, options, "receiver");
  pump(loop, ring, source, sink, std::move(listed));
  copied.report = source.report();
  copied.report.failed += source.take_removals().run(loop, options.notice);
  return copied;
}

// A thread is as free as its maker was: so the workers come first.
inline void start_workers(Loop& loop) {
  std::array<Operation, 2> both;
  std::atomic<int> running = 0;
  for (Operation& operation : both) {
    loop.run(operation, [&]() -> std::int64_t {
      ++running;
      while (running < 2) std::this_thread::yield();
      return 0;
    });
  }
  while (!both[0].done() || !both[1].done()) wait_for_something(loop);
}

inline CopyOptions archive() {
  CopyOptions options;
  options.recursive = options.perms = options.times = options.owner = options.group = true;
  options.devices = options.specials = options.hard_links = options.acls = options.xattrs = true;
  options.out_format = "%i %n%L";
  return options;
}

inline void set_time(const std::string& path, std::int64_t seconds, long nanoseconds) {
  const timespec times[2] = {{seconds, nanoseconds}, {seconds, nanoseconds}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

// "src" with files of many sizes, a symlink, a FIFO, a hard link, an empty and a read-only directory.
inline void make_tree(const Scratch& scratch) {
  std::filesystem::create_directories(scratch / "src/sub/deep");
  std::filesystem::create_directory(scratch / "src/empty");
  put(scratch / "src/zero", "");
  put(scratch / "src/small", "hello\n");
  put(scratch / "src/sub/middle", pattern(50'000));
  put(scratch / "src/sub/deep/large", pattern(3'000'000, 7));
  std::filesystem::create_symlink("../small", scratch / "src/sub/link");
  std::filesystem::create_hard_link(scratch / "src/small", scratch / "src/sub/same");
  REQUIRE(::mkfifo((scratch / "src/fifo").c_str(), 0640) == 0);
  set_time(scratch / "src/small", 1'000'000'000, 123'456'789);
  set_time(scratch / "src/sub/link", 1'100'000'000, 5);
  ::chmod((scratch / "src/empty").c_str(), 0555);
  set_time(scratch / "src/sub", 1'200'000'000, 987);
  set_time(scratch / "src", 1'300'000'000, 1);
}

}  // namespace rdpipe::test
