// A Source around another, and a Sink around another: what they have in common, which is to pass on. One
// thread, that of the loop.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "stream/sink.h"
#include "stream/source.h"

namespace rdpipe {

class SourceAround : public Source {
 public:
  explicit SourceAround(std::shared_ptr<Source> inner) : inner_(std::move(inner)) {}

  void attend() override { inner_->attend(); }
  void read_ahead() override { inner_->read_ahead(); }
  void note(std::span<const std::byte> bytes) override { inner_->note(bytes); }
  [[nodiscard]] std::uint64_t taken() const override { return inner_->taken(); }
  [[nodiscard]] std::optional<BufferFill> buffer() const override { return inner_->buffer(); }
  [[nodiscard]] std::size_t empty_slots() const override { return inner_->empty_slots(); }
  [[nodiscard]] std::optional<std::uint64_t> size_hint() const override { return inner_->size_hint(); }
  [[nodiscard]] const std::string& name() const override { return inner_->name(); }

 protected:
  [[nodiscard]] Source& inner() const noexcept { return *inner_; }
  void drop_inner() { inner_.reset(); }  // before the ring whose slots it may hold

 private:
  std::shared_ptr<Source> inner_;
};

// What is held back here comes before the inner sink's end.
class SinkAround : public Sink {
 public:
  explicit SinkAround(std::shared_ptr<Sink> inner) : inner_(std::move(inner)) {}

  [[nodiscard]] std::optional<std::vector<std::byte>> take_note() override { return inner_->take_note(); }
  void stirred() override { inner_->stirred(); }
  void take_root(const Digest128& root) override { inner_->take_root(root); }
  void finish() override { finishing_ = true; }
  [[nodiscard]] bool committed() const override { return inner_finishes_ && inner_->committed(); }
  [[nodiscard]] bool in_place_after_all() override { return inner_finishes_ && inner_->in_place_after_all(); }
  [[nodiscard]] std::uint64_t taken() const override { return inner_->taken(); }
  [[nodiscard]] std::optional<BufferFill> buffer() const override { return inner_->buffer(); }
  [[nodiscard]] const std::string& name() const override { return inner_->name(); }

 protected:
  [[nodiscard]] Sink& inner() const noexcept { return *inner_; }
  void drop_inner() { inner_.reset(); }  // before the ring whose slots it may hold
  // Nothing is held back any more: true when that is the end, which the inner sink has now been told of.
  [[nodiscard]] bool end_inner() {
    if (!finishing_ || inner_finishes_) return false;
    inner_finishes_ = true;
    inner_->finish();
    return true;
  }

 private:
  std::shared_ptr<Sink> inner_;
  bool finishing_ = false;
  bool inner_finishes_ = false;
};

}  // namespace rdpipe
