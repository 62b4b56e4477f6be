// Copying trees: what is asked for, and what became of it. Plain values; every default is rdcp's. Both ends
// are given the same options (they come from one command line): the sender uses what concerns the walk, the
// receiver what concerns the target. A file is the old one or the whole new one, never a part; a failure of
// one file costs one line and a count, and the rest goes on.
//
// Copying is Connection::send_tree() at one end and Connection::receive_tree() at the other (connection.h),
// or copy_tree() from this host to this host. They copy the options; their functions are called on the
// calling thread, before the call returns. Nothing here is checked when it is set: what cannot be is an
// Error{kUsage} or {kEndpoint} of the copy, and a chmod that check_chmod() finds fault with changes nothing.
// Sizes are in bytes. A file is large when it does not fit into one frame (Options::slot_size).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "stream/progress.h"

namespace rdpipe {

enum class CopyDirect : unsigned char { kAuto, kOn, kOff };  // O_DIRECT; auto: where it pays

// One rule of --include or --exclude, as in rsync: the first that matches a name decides. `*` and `?` stop at
// '/', `**` does not, [...] is a class; a '/' in front anchors the pattern at the top of the transfer, one at
// the end makes it match directories only; a pattern without any other '/' is held against the last
// component, one with '/' against the end of the path.
struct CopyFilter {
  bool include = false;
  std::string pattern;
  bool operator==(const CopyFilter&) const = default;
};

// How far one end is: the sender's and the receiver's differ by what is under way.
struct CopyProgress {
  std::uint64_t bytes = 0;        // of file content that is through: sent and received, or found to be there
  std::uint64_t found_bytes = 0;  // ... the latter alone; of this end
  std::uint64_t total_bytes = 0;  // of all regular files seen so far
  std::uint64_t files = 0;        // entries that are settled
  std::uint64_t total_files = 0;  // entries seen so far
  bool total_known = false;       // the walk has ended: the totals will not grow
  std::chrono::nanoseconds elapsed{0};  // since this end began
  std::string file{};                   // the large file that is under way, as it is listed; empty: none
  std::uint64_t file_bytes = 0;         // ... of it, through
  std::uint64_t file_size = 0;
  StreamProgress stream{};  // that carries it all; of a copy between two other hosts nothing is known
};

struct CopyOptions {
  // Where to. By default as cp and scp: an existing directory receives each source inside it; otherwise the
  // destination is the new name of the only source; a trailing '/' demands a directory, and several sources
  // make it one that must exist. A source with a trailing '/' (or that ends in "." or "..") stands for its
  // contents, which go into the destination itself; it is created when it does not exist.
  bool no_target_directory = false;  // the destination is the name, never a directory to put into
  bool target_directory = false;     // the destination must be a directory
  bool mkpath = false;               // creates missing directories of the destination

  // The descriptor of a directory, the caller's, open until the copy has ended: this end's sources or its
  // destination, `backup_dir` and `partial_dir` are paths beneath it ('/' in front stands for it, ".." is
  // refused), none of their components is a symlink, and `copy_links` is Error{kUsage}. As the destination
  // it keeps its own mode, owner, group, ACL and attributes: it is not the sender's. -1: anywhere.
  int beneath = -1;

  // What of the sources.
  bool recursive = false;        // -r; a directory without it fails: "is a directory (not copied without -r)"
  bool symlinks = true;          // as symlinks; false (--no-links): each is left out, with a line
  bool copy_links = false;       // -L: what they point to, instead
  bool safe_links = false;       // --safe-links: those that are absolute or lead out of the tree are left out
  bool one_file_system = false;  // -x: mount points are copied as empty directories
  bool skip_mount_points = false;     // -xx: they are not copied at all; with `one_file_system`
  bool devices = false;               // device nodes (-D); needs root at the receiver
  bool specials = false;              // FIFOs and sockets (-D)
  std::vector<CopyFilter> filters{};  // in order; an --exclude-from is read by the caller into these
  // --files-from, read by the caller: only these, relative to the (single) source directory, with the
  // directories on the way. "" is skipped, "." is all of it; ".." is an Error{kUsage}.
  std::optional<std::vector<std::string>> files_from{};
  bool globs = false;  // sources that do not exist by their literal name are patterns (the remote rdcp's)

  // What is kept of each.
  bool hard_links = false;  // -H
  bool sparse = false;      // -S: runs of zeros become holes, too; holes that the source has are always kept
  bool perms = false;   // -p; without it new files have the source's mode less the umask and the special bits
  bool times = false;   // -t
  bool owner = false;   // -o; only root can
  bool group = false;   // -g; who is not root can keep those that are theirs
  bool acls = false;    // -A, implies perms
  bool xattrs = false;  // -X: user.*; root: all but system.* and security.selinux
  bool numeric_ids = false;  // owners and groups by number, not by name; 0 always is 0
  std::string
      chmod{};  // as rsync's --chmod: "u+rw,D755,Fgo-w,..."; of what is there already only with `perms`

  // This end's alone, for one that acts on behalf of somebody else.
  // It does no more than anybody may, also where it runs as root: gives nothing to another owner, to no group
  // but its own effective one, makes no device nodes, and of xattrs reads and writes user.* alone. Each is
  // left out, or said, as for one who is not root.
  bool unprivileged = false;
  // The receiver's: no mode that it sets has set-user-ID or set-group-ID bits, whatever the source has and
  // `chmod` says. What is there keeps its own where no mode is set (a directory without `perms`), and a new
  // directory without `perms` inherits set-group-ID from that it is made in.
  bool drop_special_bits = false;
  // The umask for what it makes. Nothing: that of the process, which is then read from /proc.
  std::optional<std::uint32_t> umask{};

  // What moves. By default what differs in size or time of modification (to the second where a file system
  // keeps no more).
  bool ignore_times = false;     // -I: everything
  bool checksum = false;         // -c: what differs in size or digest
  bool size_only = false;        // --size-only
  bool update = false;           // -u: not what is newer at the receiver
  bool existing = false;         // creates nothing new
  bool ignore_existing = false;  // touches nothing that is there
  bool delete_extra =
      false;  // --delete: what the source directory does not have; never where it could not be read in full
  bool delete_excluded = false;               // ... also what a filter excludes; only with `delete_extra`
  std::optional<std::uint64_t> max_delete{};  // at most so many; the rest stays, and is counted; status 25
  bool dry_run = false;                       // -n: says what it would do
  bool remove_source_files =
      false;  // the sender's files that were copied go, after the receiver has committed all

  // How a file is written.
  bool inplace = false;  // large files: into the old file itself, also where it has other names that are no
                         // entries; it is neither old nor new if that fails. Not with `backup` or
                         // `partial_dir`.
  bool backup = false;   // -b: what is replaced or deleted keeps its name with a suffix
  // --suffix, without '/'; where there is none: "~", and with `backup_dir` nothing.
  std::optional<std::string> backup_suffix{};
  std::string backup_dir{};  // --backup-dir: it is moved there instead (relative: to the destination); needs
                             // `backup`
  bool partial = false;  // --partial: what arrived of an interrupted file is kept and used by the next run
  std::string partial_dir{};  // --partial-dir: where (relative: to the file's directory); implies `partial`;
                              // empty: beside the file, hidden
  bool fsync = false;         // the destination's file system is on the medium before the copy counts as done
  bool verify = false;        // reads back what was written, past the page cache
  CopyDirect direct = CopyDirect::kAuto;  // O_DIRECT for large files

  // The receiver's: the sources that it asked for, as given to the sender. It refuses every top-level name
  // that is not the last component of one of them (or matches it as a pattern of glob(3)), and every entry
  // that `recursive`, `copy_links`, `safe_links`, `filters` or `files_from` leave out, with Error{kDamaged}.
  // Empty: it takes what comes (a push).
  std::vector<std::string> requested{};

  // Lines for the user, without a newline, names made printable; on the calling thread. The end with
  // `hears_peer` (that of the user's own process) also hears the other end's lines, those of failures with
  // its host name in front, and the other end's functions are then not called for them. At most one end. Only
  // of sources that could not be removed, when the receiver has finished already, the sender's own notice
  // hears.
  bool hears_peer = false;
  // One line for each entry that failed, or was left out with a reason.
  std::function<void(const std::string& line)> notice{};
  // One line for each entry that was created, changed or deleted (with dry_run: would be), formatted by
  // `out_format`. rsync's escapes: %i (itemized), %n (name; '/' behind a directory), %L (" -> target"), %l
  // (size), %b (bytes of content moved), %M (time), %o ("send", "recv" or "del."), %B (mode), %U, %G, %%.
  std::function<void(const std::string& line)> listed{};
  std::string out_format = "%n%L";                      // -i: "%i %n%L"
  std::function<void(const CopyProgress&)> progress{};  // about five times a second, and once at the end
};

struct CopyReport {
  // Of both ends together, the same at both, but for sources that could not be removed: the sender's `failed`
  // alone has these.
  std::uint64_t entries = 0;      // that the sender listed
  std::uint64_t files = 0;        // ... of these regular files
  std::uint64_t directories = 0;  // ... directories
  std::uint64_t symlinks = 0;
  std::uint64_t specials = 0;      // FIFOs, sockets, devices
  std::uint64_t file_bytes = 0;    // the size of all regular files
  std::uint64_t files_moved = 0;   // regular files whose content travelled (dry_run: would)
  std::uint64_t bytes_moved = 0;   // of their content, as files count it (holes included)
  std::uint64_t bytes_reused = 0;  // of their content that was found at the receiver (partial files)
  std::uint64_t created = 0;       // entries that were not there
  std::uint64_t linked = 0;        // hard links made
  std::uint64_t deleted = 0;
  std::uint64_t undeleted = 0;     // what max_delete kept
  std::uint64_t failed = 0;        // entries that could not be copied in full, at either end
  std::uint64_t vanished = 0;      // sources that went away before they were read
  std::uint64_t stream_bytes = 0;  // that went over the connection

  std::chrono::nanoseconds elapsed{0};  // from the first byte until all was in place
  std::string fabric{};                 // "RDMA", "TCP", "local"
  std::string device{};                 // "mlx5_0"; may be empty
  std::string peer{};                   // the other end's host name; empty for "local"
  bool sealed = false;
  std::uint64_t wire_bytes = 0;  // `stream_bytes` as they crossed the line
  bool compressed = false;       // where that shrank them
  unsigned retries = 0;          // tries to connect that came to nothing before the one that did
  std::string warning{};         // done, but something is worth a line; usually empty

  // kOk; kPartial (23) when something failed, otherwise kVanished (24) when something vanished; 25 when
  // max_delete alone kept something.
  [[nodiscard]] __attribute__((visibility("default"))) int status() const;
};

// What is wrong with it ("'q+x': ..."); nothing for a good one (or an empty text).
[[nodiscard]] __attribute__((visibility("default"))) std::optional<std::string> check_chmod(
    const std::string& chmod);

// True for a path that a source or destination names by itself: its contents, not its name, are copied.
[[nodiscard]] __attribute__((visibility("default"))) bool stands_for_contents(const std::string& source);

}  // namespace rdpipe
