// A sender of trees that does not play by the rules, and what it must not have changed.
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.h"
#include "tree/trees.h"

namespace rdpipe::test {

namespace fs = std::filesystem;

inline constexpr RingShape kShape{64_KiB, 8};
inline constexpr std::size_t kLargeSize = 200'000;  // more than a slot
inline constexpr auto kPatience = std::chrono::seconds(60);

// What somebody may see of a file from outside, and would see if it was touched.
inline std::string state_of(const std::string& path) {
  const struct stat now = stat_of(path);
  return std::to_string(now.st_mode) + " " + std::to_string(now.st_uid) + " " + std::to_string(now.st_nlink) +
         " " + std::to_string(now.st_mtim.tv_sec) + "." + std::to_string(now.st_mtim.tv_nsec);
}

inline EntryRecord file(std::string_view name, std::uint64_t parent = 0, std::uint64_t size = 5) {
  EntryRecord entry;
  entry.type = EntryType::kFile;
  entry.name = name;
  entry.parent = parent;
  entry.mode = 0644;
  entry.size = size;
  return entry;
}

inline EntryRecord directory(std::string_view name, std::uint64_t parent = 0) {
  EntryRecord entry = file(name, parent, 0);
  entry.type = EntryType::kDirectory;
  entry.mode = 0755;
  return entry;
}

inline EntryRecord link_entry(std::string_view name, std::string_view target, std::uint64_t parent = 0) {
  EntryRecord entry = file(name, parent, 0);
  entry.type = EntryType::kSymlink;
  entry.mode = 0777;
  entry.target = target;
  return entry;
}

inline EntryRecord device(std::string_view name, std::uint64_t parent) {
  EntryRecord entry = file(name, parent, 0);
  entry.type = EntryType::kCharacter;
  entry.device_major = 1;
  entry.device_minor = 3;
  return entry;
}

// A sender that says what it is told, to a TreeSink in a directory "dst" beside a directory "outside".
class HostileSender {
 public:
  explicit HostileSender(CopyOptions options = archive(), std::uint8_t version = kTreeVersion)
      : options_(std::move(options)) {
    fs::create_directories(scratch / "outside/p");
    fs::create_directories(scratch / "dst");
    put(scratch / "outside/victim", "precious");
    put(scratch / "outside/p/keep", "precious too");
    fs::permissions(scratch / "outside", fs::perms(0711));
    for (const char* path : {"outside", "outside/p", "outside/victim", "outside/p/keep"})
      before_.push_back(state_of(scratch / path));
    options_.notice = [this](const std::string& line) { notices.push_back(line); };
    append(BeginRecord{.sources = 1, .version = version}, frame_);
  }

  HostileSender& contents() { return entry(directory(".")); }  // directory 1: the destination itself
  HostileSender& entry(const EntryRecord& entry) {
    append(entry, frame_);
    counts_.add(entry);
    if (entry.type == EntryType::kFile) ++listed_;
    return *this;
  }
  HostileSender& record(RecordType type, const RangeRecord& range) {
    await_verdicts();
    append(type, range, frame_);
    return *this;
  }
  template <typename Record>
  HostileSender& record(const Record& record) {
    append(record, frame_);
    return *this;
  }
  HostileSender& content_of(std::uint64_t entry, const std::string& content) {
    await_verdicts();
    std::array<std::byte, kMaxFileHead> head{};
    FileRecord record;
    record.entry = entry;
    const std::size_t size = write_file_head(record, content.size(), head);
    frame_.insert(frame_.end(), head.begin(), head.begin() + static_cast<std::ptrdiff_t>(size));
    return raw(content);
  }
  HostileSender& raw(const std::string& bytes) {
    for (const char byte : bytes) frame_.push_back(static_cast<std::byte>(byte));
    return *this;
  }
  // A large file in full: DATA, its frames, END_FILE.
  HostileSender& large_of(std::uint64_t entry, std::size_t size = kLargeSize) {
    record(RecordType::kData, {entry, 0, size}).frame();
    for (std::size_t left = size; left > 0; left -= std::min(left, kShape.slot_size))
      raw(std::string(std::min(left, kShape.slot_size), 'L')).frame();
    EndFileRecord end;
    end.entry = entry;
    end.size = size;
    return record(end);
  }
  // What follows comes in another frame.
  HostileSender& frame() {
    steps_.push_back([this, bytes = std::exchange(frame_, {})] { write(bytes); });
    return *this;
  }
  // Between frames, once everything so far was decided.
  HostileSender& meanwhile(std::function<void()> action) {
    frame();
    steps_.push_back([this, action = std::move(action), listed = listed_] {
      settle(listed);
      action();
    });
    awaited_ = listed_;
    return *this;
  }
  // Once everything so far was decided, and for so long, the receiver's workers do something else.
  HostileSender& busy_for(std::chrono::milliseconds time) {
    return meanwhile([this, time] {
      for (Operation& operation : busy_)
        loop_.run(operation, [time]() -> std::int64_t { return std::this_thread::sleep_for(time), 0; });
    });
  }
  HostileSender& end() { return record(counts_); }  // which are true

  // Sends it all; what came of it is in `error` (none: committed), `report` and `notices`.
  HostileSender& run() {
    frame();
    try {
      sink_.emplace(scratch / "dst", options_, "sender");
      sink_->start(loop_, ring_, {});
      for (const auto& step : steps_) step();
      sink_->finish();
      const auto limit = Deadline::in(kPatience);
      for (sink_->poll(); !sink_->committed(); sink_->poll()) {
        if (limit.passed()) throw std::runtime_error("neither committed nor refused");
        drop_notes();
        loop_.wait(Deadline::in(std::chrono::milliseconds(50)));
      }
      report = sink_->report();
    } catch (const Error& caught) {
      error = caught.status();
      text = caught.what();
    }
    sink_.reset();
    return *this;
  }

  // Nothing outside has changed; nothing of ours was left under a temporary name.
  void check_outside() const {
    std::size_t index = 0;
    for (const char* path : {"outside", "outside/p", "outside/victim", "outside/p/keep"})
      CHECK(state_of(scratch / path) == before_[index++]);
    CHECK(get(scratch / "outside/victim") == "precious");
    CHECK(get(scratch / "outside/p/keep") == "precious too");
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(scratch / "outside"))
      names.insert(entry.path().filename());
    CHECK(names == std::set<std::string>{"victim", "p", "keep"});
    for (const std::string& name : scratch.entries()) CHECK((name == "outside" || name == "dst"));
  }
  void check_refused() const {
    INFO(text);
    CHECK(error == Status::kDamaged);
    check_outside();
  }
  void check_partial() const {
    INFO(text);
    CHECK_FALSE(error.has_value());
    CHECK(report.failed > 0);
    CHECK(notices.size() == report.failed);
    check_outside();
  }
  // Either is fine, as long as it is said.
  void check_said() const {
    if (error) return check_refused();
    check_partial();
  }

  Scratch scratch;
  std::vector<std::string> notices;
  std::optional<Status> error;
  std::string text;
  CopyReport report;

 private:
  // Content before the answer would be refused for that alone.
  void await_verdicts() {
    if (awaited_ < listed_) meanwhile([] {});
  }
  void drop_notes() {
    while (const auto bytes = sink_->take_note()) {
      const auto note = decode_note(*bytes);
      REQUIRE(note.has_value());
      if (const auto* verdicts = std::get_if<VerdictNote>(&*note))
        for (const VerdictNote::Run& run : verdicts->runs) answered_ += run.count;
    }
  }
  void write(const std::vector<std::byte>& bytes) {
    for (std::size_t at = 0; at < bytes.size(); at += kShape.slot_size) {
      const std::size_t size = std::min(kShape.slot_size, bytes.size() - at);
      Slot slot = acquire(loop_, ring_, *sink_);
      slot.resize(size);
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, slot.payload().begin());
      sink_->write(std::move(slot));
      sink_->poll();
      drop_notes();
    }
  }
  // Until `listed` files were answered for, and whatever else is under way has had some time.
  void settle(std::uint64_t listed) {
    const auto limit = Deadline::in(kPatience);
    for (int turn = 0; turn < 5 || answered_ < listed; ++turn) {
      if (limit.passed()) throw std::runtime_error("no answer");
      sink_->poll();
      drop_notes();
      loop_.wait(Deadline::in(std::chrono::milliseconds(5)));
    }
  }

  CopyOptions options_;
  std::vector<std::string> before_;
  std::vector<std::byte> frame_;
  std::vector<std::function<void()>> steps_;
  EndRecord counts_;
  std::uint64_t listed_ = 0, awaited_ = 0, answered_ = 0;  // files
  Loop loop_;
  std::array<Operation, 2> busy_;  // as many as the loop has workers
  Ring ring_{kShape};
  std::optional<TreeSink> sink_;
};

}  // namespace rdpipe::test
