#include "tree/deleter.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <optional>
#include <utility>

#include "files/temporary.h"
#include "ground/error.h"
#include "io/workers.h"
#include "tree/listing.h"
#include "tree/partial.h"

namespace rdpipe {
namespace {

void fail(Deleter::Account account, const std::string& path, const std::string& attempt, int error) {
  ++account.counts.failed;
  account.lines.push_back({false, fmt::format("'{}': {}: {}", printable(path), attempt, errno_text(error))});
}

bool is_empty_directory(int at, const std::string& name) {
  std::vector<NamedEntry> entries;
  const Descriptor fd(::openat(at, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  return fd && list_directory(fd.get(), entries) && entries.empty();
}

bool is_file(int directory, const std::string& name) {
  struct stat status {};
  return ::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode);
}

}  // namespace

Deleter::Deleter(const CopyOptions& options, Writer& writer)
    : options_(options),
      writer_(writer),
      filters_(options.filters),
      budget_(options.max_delete.value_or(std::numeric_limits<std::uint64_t>::max())) {}

bool Deleter::spares(const std::shared_ptr<Directory>& directory, const std::string& name,
                     bool is_directory) const {
  if (keeps_partial(options_) && is_partial_name(name, is_directory, options_)) return true;
  const bool may_be_kept = options_.backup && writer_.backs_up_beside();
  if (may_be_kept && name.ends_with(suffix_of_backups(options_))) return true;
  if (is_directory && !options_.backup_dir.empty()) {
    const auto lease = writer_.cache().open(directory);
    if (lease && writer_.keeps_backups(lease->get(), name)) return true;
  }
  if (filters_.empty() || options_.delete_excluded) return false;
  return filters_.excludes(directory->relative_of(name), is_directory);
}

Eraser Deleter::eraser_for(Account account) {
  Eraser::Voice voice;
  voice.budget = options_.max_delete ? &budget_ : nullptr;
  voice.dry_run = options_.dry_run;
  voice.opens = opens();
  voice.one_file_system = options_.one_file_system;
  voice.spares = [this](const auto& at, const std::string& name, bool is_directory) {
    return spares(at, name, is_directory);
  };
  voice.tell = [this, account](const auto& at, const std::string& name, bool is_directory) {
    if (account.shows) account.lines.push_back({true, line_of(at, name, is_directory)});
  };
  voice.fail = [account](const auto& at, const std::string& name, const std::string& attempt, int error) {
    fail(account, at->path_of(name), attempt, error);
  };
  if (options_.backup) {
    voice.backups_stay = writer_.backs_up_beside();
    voice.set_aside = [this](const auto& at, const std::string& name) {
      const auto where = writer_.cache().open(at);
      return where && writer_.set_aside(at, where->get(), name);
    };
  }
  return {writer_.cache(), std::move(voice)};
}

void Deleter::delete_extra(const TargetDirectory& directory, Account account) {
  std::vector<NamedEntry> entries;
  const auto lease = writer_.cache().open(directory.directory);
  if (!lease || !list_directory(lease->get(), entries)) {
    return fail(account, directory.directory->path(), "list it", errno);
  }
  Eraser eraser = eraser_for(account);
  for (const NamedEntry& entry : entries) {
    if (is_unwanted()) break;
    if (directory.names.contains(entry.name)) continue;
    // What another copy may be writing is its own to remove.
    if (is_temporary_name(entry.name) && is_file(lease->get(), entry.name)) {
      if (!options_.dry_run) remove_if_left_over(lease->get(), entry.name.c_str());
      continue;
    }
    eraser.erase(directory.directory, entry.name, entry.is_directory);
  }
  account.counts.deleted += eraser.counts().deleted;
  account.counts.undeleted += eraser.counts().kept;
}

// As rsync has it, what is in it counts as deleted, and it itself as replaced.
void Deleter::make_way(const std::shared_ptr<Directory>& where, int directory, const std::string& name,
                       Account account) {
  if (options_.backup) {
    if (!options_.dry_run && !writer_.set_aside(where, directory, name)) throw EntryError{errno};
    return;
  }
  const auto remove = [&] { return ::unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0; };
  if (options_.dry_run ? is_empty_directory(directory, name) : remove()) return;
  if (!options_.delete_extra) throw EntryError{EISDIR};
  const auto itself = std::make_shared<Directory>(where, name, false);
  std::optional<OpenedToOwner> opened;
  if (opens()) opened.emplace(writer_.cache(), itself);
  if (!empty(itself, account)) throw EntryError{ENOTEMPTY};
  if (!options_.dry_run && !remove()) throw EntryError{errno};
}

bool Deleter::empty(const std::shared_ptr<Directory>& directory, Account account) {
  std::vector<NamedEntry> entries;
  const auto lease = writer_.cache().open(directory);
  if (!lease || !list_directory(lease->get(), entries)) throw EntryError{errno, "list it"};
  Eraser eraser = eraser_for(account);
  bool whole = true;
  for (const NamedEntry& entry : entries) {
    whole = eraser.erase(directory, entry.name, entry.is_directory) && whole;
  }
  account.counts.deleted += eraser.counts().deleted;
  account.counts.undeleted += eraser.counts().kept;
  return whole;
}

std::string Deleter::line_of(const std::shared_ptr<Directory>& directory, const std::string& name,
                             bool is_directory) const {
  ListedEntry listed;
  listed.update = '*';
  listed.type = is_directory ? EntryType::kDirectory : EntryType::kFile;
  listed.path = directory->relative_of(name);
  const bool itemized = options_.out_format.find("%i") != std::string::npos ||
                        options_.out_format.find("%o") != std::string::npos;
  return format_line(itemized ? options_.out_format : "deleting %n", listed);
}

}  // namespace rdpipe
