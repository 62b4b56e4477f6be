// What --delete takes away: beside what the source has, and what is in a directory that gives way to
// something else. Filters protect, backups are kept, --max-delete holds for all of it together, and each is
// listed. Blocks; any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tree/copy.h"
#include "tree/erase.h"
#include "tree/filter.h"
#include "tree/note.h"
#include "tree/target.h"
#include "tree/writer.h"

namespace rdpipe {

class Deleter {
 public:
  Deleter(const CopyOptions& options, Writer& writer);

  // Lines and counts of what went and of what could not are added to these. `shows`: somebody wants the
  // lines.
  struct Account {
    std::vector<LineNote>& lines;
    ReportNote& counts;
    bool shows = false;
  };
  // What the sender has not listed of this directory.
  void delete_extra(const TargetDirectory& directory, Account account);
  // The directory `name` in the open `directory`, which is that of `where`, is to become something else: it
  // goes when it is empty, or with all that is in it where that may be deleted; or it is backed up. Throws
  // EntryError.
  void make_way(const std::shared_ptr<Directory>& where, int directory, const std::string& name,
                Account account);

 private:
  [[nodiscard]] bool opens() const { return !options_.dry_run && !writer_.as_root(); }
  [[nodiscard]] bool empty(const std::shared_ptr<Directory>& directory, Account account);
  [[nodiscard]] Eraser eraser_for(Account account);
  [[nodiscard]] bool spares(const std::shared_ptr<Directory>& directory, const std::string& name,
                            bool is_directory) const;
  [[nodiscard]] std::string line_of(const std::shared_ptr<Directory>& directory, const std::string& name,
                                    bool is_directory) const;

  const CopyOptions& options_;
  Writer& writer_;
  Filters filters_;
  std::atomic<std::uint64_t> budget_;  // how many may yet go
};

}  // namespace rdpipe
