#include "files/stream_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

#include <atomic>
#include <cerrno>
#include <deque>
#include <optional>

#include "ground/await_ready.h"
#include "ground/error.h"
#include "io/loop.h"
#include "stream/pipes.h"

namespace rdpipe {
namespace {

class StreamFileSource final : public Source {
 public:
  StreamFileSource(Descriptor file, bool is_fifo, std::string name)
      : file_(std::move(file)), awaits_writer_(is_fifo), name_(name) {
    inner_ = make_pipe_source(file_.get(), std::move(name));
  }

  void start(Loop& loop, Ring& ring, std::size_t max_payload) override {
    if (awaits_writer_) watch_.emplace(loop, file_.get());
    inner_->start(loop, ring, max_payload);
  }

  std::optional<SourceEvent> poll(bool urgent) override {
    if (awaits_writer_ && !has_writer()) return {};
    return inner_->poll(urgent);
  }

  std::uint64_t taken() const override { return inner_->taken(); }
  std::size_t empty_slots() const override { return inner_->empty_slots(); }
  std::optional<std::uint64_t> size_hint() const override { return {}; }
  const std::string& name() const override { return name_; }

 private:
  // A FIFO that nobody has opened for writing yet reads as ended; only poll(2) tells the difference.
  bool has_writer() {
    if (await_ready(file_.get(), POLLIN, Deadline::now()) == 0) {
      watch_->arm(POLLIN);
      return false;
    }
    awaits_writer_ = false;
    watch_.reset();
    return true;
  }

  Descriptor file_;
  bool awaits_writer_;
  std::string name_;
  std::optional<Watch> watch_;
  std::unique_ptr<Source> inner_;
};

// What an open() on a worker leaves behind; closed by whichever of worker and sink lets go last.
struct Opened {
  std::atomic<int> fd{-1};
  ~Opened() { Descriptor closing(fd.load()); }
};

class StreamFileSink final : public Sink {
 public:
  StreamFileSink(std::string path, std::string name) : path_(std::move(path)), name_(std::move(name)) {}

  std::uint64_t taken() const override { return inner_ ? inner_->taken() : 0; }
  std::optional<std::size_t> backlog() const override { return inner_ ? inner_->backlog() : waiting_.size(); }

  void start(Loop& loop, Ring& ring, std::optional<std::uint64_t> size) override {
    loop_ = &loop;
    ring_ = &ring;
    size_ = size;
    const auto job = [opened = opened_, path = path_]() -> std::int64_t {
      opened->fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY);
      return opened->fd < 0 ? -errno : 0;
    };
    loop.run(opening_, job, Abandon::kDetach);
  }

  void write(Slot slot) override {
    if (inner_) return inner_->write(std::move(slot));
    waiting_.push_back({std::move(slot), 0});
  }

  void write_hole(Slot slot, std::uint64_t length) override {
    if (inner_) return inner_->write_hole(std::move(slot), length);
    waiting_.push_back({std::move(slot), length});
  }

  void poll() override {
    if (opening_.done()) begin_writing();
    if (inner_) inner_->poll();
  }

  void finish() override {
    finishing_ = true;
    if (inner_) inner_->finish();
  }

  bool committed() const override { return inner_ && inner_->committed(); }
  const std::string& name() const override { return name_; }

 private:
  struct Piece {
    Slot slot;
    std::uint64_t hole = 0;  // its length; 0: the slot's bytes
  };

  void begin_writing() {
    const std::int64_t result = opening_.take();
    if (result < 0) throw_errno(static_cast<int>(-result), Status::kEndpoint, "store " + name_);
    inner_ = make_pipe_sink(opened_->fd, name_);
    inner_->start(*loop_, *ring_, size_);
    while (!waiting_.empty()) {
      Piece& piece = waiting_.front();
      if (piece.hole == 0) {
        inner_->write(std::move(piece.slot));
      } else {
        inner_->write_hole(std::move(piece.slot), piece.hole);
      }
      waiting_.pop_front();
    }
    if (finishing_) inner_->finish();
  }

  std::string path_;
  std::string name_;
  Loop* loop_ = nullptr;
  Ring* ring_ = nullptr;
  std::optional<std::uint64_t> size_;
  bool finishing_ = false;
  std::deque<Piece> waiting_;  // until it is open
  std::shared_ptr<Opened> opened_ = std::make_shared<Opened>();
  Operation opening_;
  std::unique_ptr<Sink> inner_;  // writes to opened_
};

}  // namespace

std::unique_ptr<Source> make_stream_source(Descriptor file, bool is_fifo, std::string name) {
  return std::make_unique<StreamFileSource>(std::move(file), is_fifo, std::move(name));
}

std::unique_ptr<Sink> make_stream_sink(std::string path, std::string name) {
  return std::make_unique<StreamFileSink>(std::move(path), std::move(name));
}

}  // namespace rdpipe
