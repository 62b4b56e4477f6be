// The last steps in a directory, when everything beneath it is in place: hard links, deleting what the source
// does not have, and the directory's own attributes. Blocks; for workers, one batch at a time.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tree/copy.h"
#include "tree/filter.h"
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
  std::vector<std::uint64_t> failed_entries{};
  ReportNote counts{};
};

class Finisher {
 public:
  Finisher(const CopyOptions& options, Writer& writer);
  // `shows`: somebody wants lines of what is listed.
  [[nodiscard]] FinishResult finish(const std::vector<FinishStep>& steps, bool shows);

  // Removes what --partial-dir has become in it, if it is empty.
  void drop_partials(const TargetDirectory& directory) const;

 private:
  void take(const LinkStep& step);
  void take(const DirectoryStep& step);
  [[nodiscard]] bool find(const TargetDirectory& directory, const std::string& name,
                          struct stat& status) const;
  void delete_extra(const TargetDirectory& directory);
  void sweep(const TargetDirectory& directory);
  void set_attributes(const TargetDirectory& directory);
  [[nodiscard]] bool spares(const std::shared_ptr<Directory>& directory, const std::string& name,
                            bool is_directory) const;
  void show_deleted(const std::shared_ptr<Directory>& directory, const std::string& name, bool is_directory);
  void fail(const std::string& path, const std::string& cause);

  const CopyOptions& options_;
  Writer& writer_;
  Filters filters_;
  std::uint64_t delete_budget_;
  bool shows_ = false;
  FinishResult result_;
};

}  // namespace rdpipe
