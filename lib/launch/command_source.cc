#include <optional>
#include <utility>
#include <variant>

#include "launch/command.h"
#include "launch/commands.h"
#include "stream/pipes.h"

namespace rdpipe {
namespace {

class CommandSource : public Source {
 public:
  CommandSource(std::vector<std::string> words, ErrorOutput errors)
      : words_(std::move(words)), name_(command_name(words_)), errors_(std::move(errors)) {}

  void start(Loop& loop, Ring& ring, std::size_t max_payload) override {
    command_.emplace(loop, words_, Command::Role::kProducer, errors_);
    output_ = make_pipe_source(command_->pipe(), "the output of " + name_);
    output_->start(loop, ring, max_payload);
  }

  std::optional<SourceEvent> poll(bool urgent) override {
    const bool exited = command_->poll();
    if (!at_end_) {
      auto event = output_->poll(urgent);
      if (!event || !std::holds_alternative<SourceEnd>(*event)) return event;
      at_end_ = true;
    }
    if (!exited) return {};
    command_->let_go();
    return SourceEnd{};
  }

  void attend() override { static_cast<void>(command_->poll()); }

  std::uint64_t taken() const override { return output_ ? output_->taken() : 0; }
  std::size_t empty_slots() const override { return output_ ? output_->empty_slots() : 0; }
  std::optional<std::uint64_t> size_hint() const override { return {}; }
  const std::string& name() const override { return name_; }

 private:
  std::vector<std::string> words_;
  std::string name_;
  ErrorOutput errors_;
  std::optional<Command> command_;
  std::unique_ptr<Source> output_;  // after command_: it ends first
  bool at_end_ = false;             // of the output
};

}  // namespace

std::unique_ptr<Source> make_command_source(std::vector<std::string> words, ErrorOutput errors) {
  return std::make_unique<CommandSource>(std::move(words), std::move(errors));
}

}  // namespace rdpipe
