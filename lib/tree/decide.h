// The receiver's decisions: of each entry that the sender lists, what is missing here. Directories, symlinks
// and the like are made at once; files are asked for. Blocks; runs on workers, one batch at a time, in stream
// order.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tree/copy.h"
#include "tree/copy_request.h"
#include "tree/deleter.h"
#include "tree/destination.h"
#include "tree/listing.h"
#include "tree/mode_change.h"
#include "tree/note.h"
#include "tree/record.h"
#include "tree/target.h"
#include "tree/writer.h"

namespace rdpipe {

// Whether what is there has this time, as far as file systems keep it: whole seconds, 10 ms (exFAT), 100 ns
// (NTFS, SMB) and the like; with `at`, which is beneath the same mount, also two seconds on FAT.
[[nodiscard]] bool is_same_time(const struct stat& now, std::int64_t seconds, std::uint32_t nanoseconds,
                                int at = -1);
[[nodiscard]] bool is_newer(const struct stat& now, std::int64_t seconds, std::uint32_t nanoseconds);

constexpr auto kNameTaken = "another source has this name";

// What came of a batch.
struct Decision {
  std::vector<VerdictNote::Run> runs{};
  std::vector<LeavesNote> leaves{};
  std::vector<TargetsNote::Target> targets{};
  std::vector<WantedFile> wanted{};
  std::vector<WantedLink> links{};
  std::vector<std::pair<std::uint64_t, LinkHead>> heads{};
  std::vector<std::shared_ptr<TargetDirectory>> directories{};
  std::vector<LineNote> lines{};
  std::vector<std::uint64_t> unplaced{};  // entries whose sources must not be removed
  ReportNote counts{};
  std::uint64_t file_bytes = 0;  // of the files that were listed
  std::optional<BeginRecord> begin{};
};

class Decider {
 public:
  // `writer` and `deleter` outlive it.
  Decider(std::string destination, const CopyOptions& options, Writer& writer, Deleter& deleter);

  // Takes whole BEGIN, IDENTITY, ENTRY, KEEP and DIRECTORY_END records, in the order of the stream. Throws
  // Error{kDamaged} for what makes no sense, Error{kEndpoint} when there is nowhere to put it all.
  [[nodiscard]] Decision decide(std::span<const std::byte> records);
  [[nodiscard]] const std::string& path() const { return path_; }
  // What END has to say of the entries that were taken.
  [[nodiscard]] const EndRecord& listed() const { return listed_; }
  // What receives the names at the top, which no record ends. Null: there are none.
  [[nodiscard]] const std::shared_ptr<TargetDirectory>& base() const { return base_; }

 private:
  void take_identity(const IdentityRecord& record);
  void take_entry(const EntryRecord& entry);
  [[nodiscard]] std::shared_ptr<TargetDirectory> directory_of(const EntryRecord& entry, std::string& name);
  [[nodiscard]] std::shared_ptr<TargetDirectory> top_of(const EntryRecord& entry, std::string& name);
  void set_root(const std::shared_ptr<Directory>& root);
  [[noreturn]] void throw_unasked(const std::string& path) const;
  [[nodiscard]] bool claim(TargetDirectory& parent, const std::string& name, bool is_directory);
  void keep_source();
  void reserve(const TargetDirectory& parent, const std::string& name);
  void remember_target(const struct stat& now);
  void take_contents(const EntryRecord& entry);
  void take_directory(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                      const std::string& name);
  void make_directory(TargetDirectory& made, const TargetDirectory& parent, const std::string& name, int at);
  void open_up(TargetDirectory& directory);
  [[nodiscard]] bool is_scope(const struct stat& directory) const;
  [[nodiscard]] struct stat as_in_the_end(const TargetDirectory& directory, struct stat now) const;
  void add_directory(std::shared_ptr<TargetDirectory> directory);
  // False: it cannot be put in place, and nothing can be linked to it. What is left as it is has not failed.
  [[nodiscard]] bool take_content(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                                  const std::string& name);
  [[nodiscard]] bool take_file(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                               const std::string& name);
  [[nodiscard]] bool wants(const EntryRecord& entry, WantedFile& file, int at);
  [[nodiscard]] bool is_same_content(const EntryRecord& entry, const struct stat& now, int at,
                                     const std::string& name) const;
  [[nodiscard]] bool writes_in_place(const WantedFile& file);
  [[nodiscard]] bool is_written_into(const struct stat& now) const;
  void ask_for(WantedFile file, int at);
  void offer_leaves(WantedFile& file, int at);
  [[nodiscard]] bool may_hold_part();
  [[nodiscard]] bool take_other(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                                const std::string& name);
  [[nodiscard]] std::optional<EntryError> make_other(const EntryRecord& entry, const TargetDirectory& parent,
                                                     const std::string& name, int at,
                                                     const Attributes& attributes) const;
  void take_link(const EntryRecord& entry, const std::shared_ptr<TargetDirectory>& parent,
                 const std::string& name);
  void compare(const Attributes& wanted, const struct stat& now, int at, const std::string& name,
               Changes& changes) const;
  void correct(const TargetDirectory& parent, const std::string& name, int at, const struct stat& now,
               const Attributes& attributes, const Changes& changes);
  void make_way(const TargetDirectory& parent, const std::string& name, const struct stat& now, int at);
  [[nodiscard]] Attributes attributes_of(const EntryRecord& entry, const struct stat* old);
  [[nodiscard]] std::uint32_t local_id(bool group, std::uint32_t id) const;
  void answer(TreeVerdict verdict);
  void show(const EntryRecord& entry, const TargetDirectory& parent, const std::string& name, char update,
            const Changes& changes);
  void fail(std::uint64_t entry, const TargetDirectory& parent, const std::string& name,
            const std::string& cause);
  [[noreturn]] static void throw_full(const TargetDirectory& parent, const std::string& name,
                                      const EntryError& error);
  [[noreturn]] void throw_malformed(const std::string& cause) const;

  std::string path_;
  const CopyOptions& options_;
  Writer& writer_;
  Deleter& deleter_;
  CopyRequest request_;
  ModeChange mode_change_;
  std::uint64_t sources_ = 0;
  bool hears_peer_ = false;  // the sender's end is the user's
  bool shows_ = false;       // somebody wants lines of what is copied
  bool begun_ = false;
  bool shares_host_ = false;  // with the sender
  std::uint64_t next_entry_ = 0;
  EndRecord listed_;
  std::uint64_t next_directory_ = 1;
  std::optional<Destination> destination_;
  std::shared_ptr<TargetDirectory> base_;  // receives the names at the top
  std::shared_ptr<Directory> root_;
  NameSet claimed_;  // paths that several sources have brought
  // Of directories that several sources may have, by path: the owner's rights (S_IRWXU) that they will have.
  // Only where these are not all of them.
  std::unordered_map<std::string, mode_t> opened_;
  // With `inplace`, files of several names that entries have found, and those that will be written into.
  std::set<std::pair<dev_t, ino_t>> seen_, written_into_;
  std::unordered_map<std::uint64_t, std::shared_ptr<TargetDirectory>> directories_;
  std::unordered_map<std::uint64_t, std::uint32_t>
      ids_;  // of the sender, groups with bit 32, to those of this host
  // Entries that others are links to, and of which it was known here that they cannot be put in place: which
  // of these others stands in for them, themselves until there is one.
  std::unordered_map<std::uint64_t, std::uint64_t> heirs_;
  std::vector<std::weak_ptr<const Descriptor>> parts_;  // of files that were asked for
  Decision decision_;
};

}  // namespace rdpipe
