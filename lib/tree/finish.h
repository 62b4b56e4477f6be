// The last steps in a directory, when everything beneath it is in place: hard links, deleting what the source
// does not have, and the directory's own attributes. Blocks; for workers, one batch at a time.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tree/copy.h"
#include "tree/deleter.h"
#include "tree/note.h"
#include "tree/target.h"
#include "tree/writer.h"

namespace rdpipe {

struct LinkStep {
  WantedLink link;
  std::optional<LinkHead> head;  // nothing: what it is a link to was never listed
};
struct DirectoryStep {
  std::shared_ptr<TargetDirectory> directory;
  bool complete = false;  // it was read in full
};
using FinishStep = std::variant<LinkStep, DirectoryStep>;

struct FinishResult {
  std::vector<LineNote> lines{};
  std::vector<std::uint64_t> unplaced{};    // entries whose sources must not be removed
  std::vector<std::uint64_t> incomplete{};  // ... of which the content is in place
  ReportNote counts{};
};

class Finisher {
 public:
  // `writer` and `deleter` outlive it.
  Finisher(const CopyOptions& options, Writer& writer, Deleter& deleter);
  // `shows`: somebody wants lines of what is listed.
  [[nodiscard]] FinishResult finish(const std::vector<FinishStep>& steps, bool shows);

  // After all of them, where there is anything left: directories that were open to their owner are no more.
  [[nodiscard]] bool has_more() const { return !opened_.empty(); }
  [[nodiscard]] FinishResult end();

  // Removes what killed copies have left in it, and what --partial-dir has become there, if it is empty.
  void clean(const TargetDirectory& directory) const;

 private:
  void take(const LinkStep& step);
  void take(const DirectoryStep& step);
  [[nodiscard]] bool find(const TargetDirectory& directory, const std::string& name,
                          struct stat& status) const;
  void sweep(const TargetDirectory& directory) const;
  void drop_partials(const TargetDirectory& directory) const;
  void set_attributes(const TargetDirectory& directory);
  void keep_open(const TargetDirectory& directory, const struct stat& now, Attributes& attributes);
  void shut(const std::shared_ptr<Directory>& directory, mode_t rights);
  void fail(const std::string& path, const std::string& cause);

  const CopyOptions& options_;
  Writer& writer_;
  Deleter& deleter_;
  bool shows_ = false;
  // Directories that meet, by path, last first: what is beneath one comes before it. And the rights of their
  // owner that go in the end.
  std::map<std::string, std::pair<std::shared_ptr<Directory>, mode_t>, std::greater<>> opened_;
  FinishResult result_;
};

}  // namespace rdpipe
