#include <optional>
#include <utility>

#include "launch/command.h"
#include "launch/commands.h"
#include "stream/pipes.h"

namespace rdpipe {
namespace {

// A command that closes its standard input usually ends, and then says why.
constexpr Nanoseconds kLastWords = std::chrono::seconds(2);

class CommandSink : public Sink {
 public:
  CommandSink(std::vector<std::string> words, ErrorOutput errors)
      : words_(std::move(words)), name_(command_name(words_)), errors_(std::move(errors)) {}

  // The command dies before our end of the pipe closes.
  ~CommandSink() override {
    if (command_ && !committed_) command_->end();
  }

  void start(Loop& loop, Ring& ring, std::optional<std::uint64_t> size) override {
    loop_ = &loop;
    command_.emplace(loop, words_, Command::Role::kConsumer, errors_);
    input_ = make_pipe_sink(command_->pipe(), "the input of " + name_);
    feed([&] { input_->start(loop, ring, size); });
  }

  void write(Slot slot) override { input_->write(std::move(slot)); }
  void write_hole(Slot slot, std::uint64_t length) override { input_->write_hole(std::move(slot), length); }

  void poll() override {
    const bool exited = command_->poll();
    if (input_ && !refused_until_) feed([&] { input_->poll(); });
    if (refused_until_) return await_reason(exited);
    if (input_ && input_->committed()) end_input();
    if (!input_ && exited && !committed_) commit();
  }

  void finish() override { input_->finish(); }
  bool committed() const override { return committed_; }
  // Nothing calls it back once its input has ended: it may have exited by now.
  bool in_place_after_all() override {
    try {
      if (!input_ && !committed_ && command_->poll()) commit();
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): it has failed as well
    }
    return committed_;
  }
  std::uint64_t taken() const override { return input_ ? input_->taken() : taken_; }
  std::optional<std::size_t> backlog() const override { return input_ ? input_->backlog() : 0; }
  const std::string& name() const override { return name_; }

 private:
  template <typename Step>
  void feed(Step step) {
    try {
      step();
    } catch (const Error& error) {
      if (error.status() != Status::kFileIo) throw;
      refused_until_ = Deadline::in(kLastWords);
    }
  }

  // It has closed its standard input and left something: it fails, one way or the other.
  void await_reason(bool exited) {
    if (exited) throw command_->failure("exited with status 0 before it had taken every byte");
    if (refused_until_->passed()) {
      throw command_->failure("closed its standard input before it had taken every byte");
    }
    loop_->wake_at(*refused_until_);
  }

  void commit() {
    command_->let_go();
    committed_ = true;
  }

  void end_input() {
    taken_ = input_->taken();
    input_.reset();
    command_->end_input();
  }

  std::vector<std::string> words_;
  std::string name_;
  ErrorOutput errors_;
  Loop* loop_ = nullptr;
  std::optional<Command> command_;
  std::unique_ptr<Sink> input_;            // until it has taken everything
  std::optional<Deadline> refused_until_;  // it takes no more
  std::uint64_t taken_ = 0;
  bool committed_ = false;
};

}  // namespace

std::unique_ptr<Sink> make_command_sink(std::vector<std::string> words, ErrorOutput errors) {
  return std::make_unique<CommandSink>(std::move(words), std::move(errors));
}

}  // namespace rdpipe
