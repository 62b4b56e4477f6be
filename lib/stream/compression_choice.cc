#include "stream/compression_choice.h"

#include <algorithm>
#include <chrono>

#include "ground/units.h"
#include "wire/frame.h"

namespace rdpipe {
namespace {

// A trial is long enough when buffers along the line have come to tell what the line takes.
constexpr std::uint64_t kTrialBytes = 8_MiB;
constexpr Nanoseconds kTrialTime = std::chrono::milliseconds(250);
constexpr std::size_t kTrialFrames = 4;
constexpr double kMargin = 1.1;       // by which another must be faster than what sends less
constexpr int kTrialsPart = 20;       // of the time, at most so little goes into trials
constexpr std::size_t kPatience = 4;  // frames in a row that do not shrink
constexpr std::size_t kFirstPause = 4, kLongestPause = 64;

}  // namespace

std::uint8_t methods_of(CompressionUse use) {
  switch (use) {
    case CompressionUse::kOff:
      return 0;
    case CompressionUse::kAuto:
      return kCompressionFlags;
    case CompressionUse::kZstd:
      return kFlagZstd;
    case CompressionUse::kLz4:
      return kFlagLz4;
  }
  return 0;
}

bool CompressionChoice::Span::tells() const {
  return bytes >= kTrialBytes || (time >= kTrialTime && frames >= kTrialFrames);
}

double CompressionChoice::Span::rate() const {
  return static_cast<double>(bytes) / static_cast<double>(std::max<Nanoseconds::rep>(time.count(), 1));
}

CompressionChoice::CompressionChoice(CompressionUse wanted, std::uint8_t agreed) {
  const auto usable = static_cast<std::uint8_t>(methods_of(wanted) & agreed);
  for (const std::uint8_t method : {kFlagZstd, kFlagLz4}) {
    if ((usable & method) != 0) methods_.push_back(method);
  }
  if (wanted == CompressionUse::kAuto && usable != 0) methods_.push_back(0);
}

std::uint8_t CompressionChoice::next(std::size_t length, Clock::time_point now) {
  if (methods_.empty()) return 0;
  if (methods_.size() > 1) measure(length, now);
  const bool leaves_alone = left_ > 0;
  if (leaves_alone) --left_;
  const std::uint8_t method = leaves_alone ? std::uint8_t{0} : methods_[current_];
  asked_.push_back(method != 0);
  return method;
}

void CompressionChoice::measure(std::size_t length, Clock::time_point now) {
  if (last_) {
    span_.time += now - *last_;
    span_.bytes += last_length_;
    ++span_.frames;
  }
  last_ = now;
  last_length_ = length;
  if (is_trying()) {
    if (span_.tells()) end_trial();
  } else if (span_.time >= trials_ * kTrialsPart) {
    span_ = {};
    trials_ = {};
    tried_ = current_ = 0;
    settled_ = false;
  }
}

void CompressionChoice::end_trial() {
  trials_ += span_.time;
  rates_.at(tried_) = span_.rate();
  span_ = {};
  if (!settled_) {
    settled_ = true;
    return;
  }
  settled_ = false;
  current_ = ++tried_;
  if (is_trying()) return;
  current_ = 0;
  for (std::size_t i = 1; i < methods_.size(); ++i) {
    if (rates_.at(i) > rates_.at(current_) * kMargin) current_ = i;
  }
}

void CompressionChoice::learn(bool shrank) {
  if (asked_.empty()) return;
  const bool asked = asked_.front();
  asked_.pop_front();
  if (!asked || methods_.size() < 2) return;
  if (shrank) {
    failures_ = pause_ = left_ = 0;
  } else if (++failures_ >= kPatience && left_ == 0) {
    failures_ = kPatience - 1;  // one look, and it pauses again
    pause_ = std::clamp(2 * pause_, kFirstPause, kLongestPause);
    left_ = pause_;
  }
}

}  // namespace rdpipe
