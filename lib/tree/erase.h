// Removing what a source does not have: whole subtrees beneath a descriptor, one component at a time, never
// through a symlink. Blocks; for workers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tree/directory.h"

namespace rdpipe {

struct NamedEntry {
  std::string name;
  bool is_directory = false;
};
// What is in an open directory (it may be O_PATH), without "." and "..". False with errno set.
[[nodiscard]] bool list_directory(int directory, std::vector<NamedEntry>& into);

struct EraseCounts {
  std::uint64_t deleted = 0, kept = 0, failed = 0;
};

class Eraser {
 public:
  // `budget`: how many may yet go; null: no limit. `set_aside` backs up what is no directory, or it stays.
  // `tell`: each that went. `fail`: each that could not, and each directory that could not be listed.
  struct Voice {
    std::atomic<std::uint64_t>* budget = nullptr;
    bool dry_run = false;
    bool opens = false;            // directories are opened to their owner meanwhile
    bool one_file_system = false;  // what is mounted there stays, with all that is in it
    bool backups_stay = false;     // ... under another name in the same directory, which then stays too
    // Moves it to its backup. False with errno set.
    std::function<bool(const std::shared_ptr<Directory>& directory, const std::string& name)> set_aside{};
    std::function<void(const std::shared_ptr<Directory>& directory, const std::string& name,
                       bool is_directory)>
        tell{};
    std::function<void(const std::shared_ptr<Directory>& directory, const std::string& name,
                       const std::string& attempt, int error)>
        fail{};
    std::function<bool(const std::shared_ptr<Directory>& directory, const std::string& name,
                       bool is_directory)>
        spares{};
  };
  Eraser(DirectoryCache& cache, Voice voice) : cache_(cache), voice_(std::move(voice)) {}

  // Removes `name` in `directory`, with all that is in it. False when something of it stays.
  bool erase(const std::shared_ptr<Directory>& directory, const std::string& name, bool is_directory);
  [[nodiscard]] const EraseCounts& counts() const { return counts_; }

 private:
  // A directory on the way down from the top.
  struct Level {
    std::shared_ptr<Directory> parent, directory;
    std::string name;
    std::unique_ptr<OpenedToOwner> opened{};
    std::vector<NamedEntry> entries{};  // that are left
    bool whole = true;                  // nothing of it stays
  };
  [[nodiscard]] Level enter(const std::shared_ptr<Directory>& parent, const std::string& name);
  void fail(const std::shared_ptr<Directory>& directory, const std::string& name, const char* attempt);
  [[nodiscard]] bool may();
  [[nodiscard]] bool spares(const std::shared_ptr<Directory>& directory, const std::string& name,
                            bool is_directory) const;
  [[nodiscard]] bool is_mounted(const std::shared_ptr<Directory>& directory, const std::string& name) const;
  [[nodiscard]] bool remove(const std::shared_ptr<Directory>& directory, const std::string& name,
                            bool is_directory);
  [[nodiscard]] bool erase_one(const std::shared_ptr<Directory>& directory, const std::string& name,
                               bool is_directory);

  DirectoryCache& cache_;
  Voice voice_;
  EraseCounts counts_;
};

}  // namespace rdpipe
