// A large file on its way in: slots go to the file engine, which writes them at depth into a temporary beside
// the target, or into the target itself; attributes and rename when the sender says that it is whole. One
// thread, that of the loop, whose workers look all names up.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "files/file_sink.h"
#include "io/loop.h"
#include "seal/digest.h"
#include "tree/record.h"
#include "tree/target.h"
#include "tree/writer.h"

namespace rdpipe {

class LargeSink {
 public:
  LargeSink(WantedFile wanted, const Writer& writer);

  void start(Loop& loop, Ring& ring);
  // The next bytes go to `offset`. False for one that does not follow what came before.
  [[nodiscard]] bool begin_data(std::uint64_t offset) const { return offset == position_; }
  void write(Slot slot);
  void write_hole(Slot slot, std::uint64_t length);
  // The next `length` bytes are there from an earlier run. False when they were not offered.
  [[nodiscard]] bool keep(std::uint64_t length);
  // Nothing follows. False when its size is not that of what came.
  [[nodiscard]] bool end(const EndFileRecord& record);
  void poll();
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] bool done() const { return ended_ && (!sink_ || sink_->committed()); }

  [[nodiscard]] const WantedFile& wanted() const { return wanted_; }
  [[nodiscard]] bool failed() const { return !failure_.empty(); }
  [[nodiscard]] const std::string& failure() const {
    return failure_;
  }  // a line; empty: none, or the sender's
  [[nodiscard]] bool in_place() const { return sink_ && sink_->committed(); }
  // What it is in place without.
  [[nodiscard]] const std::optional<EntryError>& lacking() const { return lacking_; }
  [[nodiscard]] std::uint64_t moved() const { return moved_; }
  [[nodiscard]] std::uint64_t reused() const { return reused_; }

 private:
  // Content that came in one go, or that was there.
  struct Run {
    std::uint64_t offset = 0, length = 0;
    std::optional<Digest128> digest;  // nothing: of what was there, whose leaves are known
  };

  [[nodiscard]] Place find_place();
  [[nodiscard]] std::optional<KeptPlace> place_for_part(int directory);
  void complete(int fd);
  void begin_run();
  void end_run();
  void verify(int fd) const;
  [[nodiscard]] bool holds(int fd, const Run& run) const;
  template <typename Work>
  void guarded(Work work);
  void fail(const std::string& cause, bool fatal);

  WantedFile wanted_;
  const Writer& writer_;
  std::optional<StreamDigest> coming_;  // of the run that is coming, to verify it
  std::vector<Run> runs_;               // ... and those before it
  std::uint64_t position_ = 0;
  std::uint64_t moved_ = 0, reused_ = 0;
  bool ended_ = false;
  std::string failure_;
  std::optional<EntryError> lacking_;  // a worker's until it is in place
  std::unique_ptr<FileSink> sink_;     // last: its end is awaited before the others go
};

}  // namespace rdpipe
