// A directory that goes with the test, files of known content in it, and streams pumped by hand.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "files/files.h"
#include "ground/error.h"
#include "io/loop.h"

namespace rdpipe::test {

class Scratch {
 public:
  // In the working directory, which is on a disk where the tests of O_DIRECT mean something.
  Scratch() {
    std::string name = "rdpipe-files-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    path_ = std::filesystem::absolute(name);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& leaf) const { return path_ + "/" + leaf; }
  [[nodiscard]] std::vector<std::string> entries() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      names.push_back(entry.path().filename());
    return names;
  }

 private:
  std::string path_;
};

inline std::string pattern(std::size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  std::uint64_t state = seed;
  for (char& byte : bytes) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

inline void put(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string get(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline struct stat stat_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == -1) throw std::runtime_error("lstat " + path);
  return status;
}

// Sleeps, but never for good: a test that waits for nothing fails.
inline void wait_for_something(Loop& loop) {
  const auto deadline = Deadline::in(std::chrono::seconds(20));
  loop.wait(deadline);
  if (deadline.passed()) throw std::runtime_error("nothing happened for 20 s");
}

inline SourceEvent next(Loop& loop, Source& source) {
  for (;;) {
    if (auto event = source.poll(true)) return std::move(*event);
    wait_for_something(loop);
  }
}

struct Content {
  std::string bytes;             // holes left out
  std::uint64_t hole_bytes = 0;  // in how many holes it does not matter
};

// Reads a started source to its end.
inline Content drain(Loop& loop, Source& source) {
  Content content;
  for (;;) {
    const SourceEvent event = next(loop, source);
    if (std::holds_alternative<SourceEnd>(event)) return content;
    if (const auto* filled = std::get_if<Filled>(&event)) {
      const auto bytes = filled->slot.filled();
      content.bytes.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    } else {
      content.hole_bytes += std::get<Hole>(event).length;
    }
  }
}

inline Slot acquire(Loop& loop, Ring& ring, Sink& sink) {
  for (;;) {
    if (auto slot = ring.acquire()) return std::move(*slot);
    sink.poll();
    if (ring.free_slots() == 0) wait_for_something(loop);
  }
}

// Writes `bytes` in slots of `piece` bytes at most.
inline void feed(Loop& loop, Ring& ring, Sink& sink, const std::string& bytes, std::size_t piece = 0) {
  const std::size_t step = piece == 0 ? ring.shape().slot_size : piece;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    Slot slot = acquire(loop, ring, sink);
    slot.resize(std::min(step, bytes.size() - at));
    bytes.copy(reinterpret_cast<char*>(slot.payload().data()), slot.size(), at);
    sink.write(std::move(slot));
    sink.poll();
  }
}

inline void commit(Loop& loop, Sink& sink) {
  sink.finish();
  for (sink.poll(); !sink.committed(); sink.poll()) wait_for_something(loop);
}

// Every byte of one into the other, as send and receive would pass them.
inline void copy(Loop& loop, Ring& ring, Source& source, Sink& sink) {
  source.start(loop, ring, ring.shape().slot_size);
  sink.start(loop, ring, source.size_hint());
  Ring carriers(RingShape{kPageSize, 8});  // of holes, whatever the source holds
  for (;;) {
    sink.poll();
    auto event = source.poll(true);
    if (!event) {
      wait_for_something(loop);
    } else if (std::holds_alternative<SourceEnd>(*event)) {
      return commit(loop, sink);
    } else if (auto* filled = std::get_if<Filled>(&*event)) {
      sink.write(std::move(filled->slot));
    } else {
      sink.write_hole(acquire(loop, carriers, sink), std::get<Hole>(*event).length);
    }
  }
}

}  // namespace rdpipe::test
