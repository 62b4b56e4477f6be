// Options of rdcp alone. Letters mean what they mean in rsync.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "options.h"
#include "values.h"

namespace rdpipe::tools {
namespace {

using Line = CommandLine;
using Text = std::string;

template <bool CopyOptions::*kFlag>
void set(Line& line, const Text&) {
  line.copy.copy.*kFlag = true;
}
template <bool CopyOptions::*kFlag>
void clear(Line& line) {
  line.copy.copy.*kFlag = false;
}

// A row of a plain switch, which --no-NAME takes back, and which the other end must know.
template <bool CopyOptions::*kFlag>
constexpr Option flag(char letter, const char* name, const char* help) {
  return {letter, name, nullptr, kCopy, help, set<kFlag>, clear<kFlag>, true};
}

void set_devices(Line& line, bool value) { line.copy.copy.devices = line.copy.copy.specials = value; }

void set_archive(Line& line, const Text&) {
  CopyOptions& copy = line.copy.copy;
  line.copy.archive = true;
  copy.symlinks = copy.perms = copy.times = copy.owner = copy.group = true;
  set_devices(line, true);
}

void clear_recursive(Line& line) { line.copy.copy.recursive = line.copy.archive = false; }

void set_one_file_system(Line& line, const Text&) {
  CopyOptions& copy = line.copy.copy;
  copy.skip_mount_points = std::exchange(copy.one_file_system, true);
}
void clear_one_file_system(Line& line) {
  line.copy.copy.one_file_system = line.copy.copy.skip_mount_points = false;
}

void set_chmod(Line& line, const Text& value) {
  if (const auto wrong = check_chmod(value)) throw Error(Status::kUsage, "option --chmod", *wrong);
  std::string& all = line.copy.copy.chmod;
  all += all.empty() ? value : "," + value;
}

// "4711" or "4711-4720", or "0" for any.
void set_ports(Line& line, const Text& value) {
  const std::size_t dash = value.find('-');
  const int low = number_value("--port", value.substr(0, dash), dash == Text::npos ? 0 : 1, 65535);
  const int high = dash == Text::npos ? low : number_value("--port", value.substr(dash + 1), 1, 65535);
  if (high < low) throw Error(Status::kUsage, "option --port", "LO is above HI");
  line.copy.launch.lowest_port = static_cast<std::uint16_t>(low);
  line.copy.launch.highest_port = static_cast<std::uint16_t>(high);
  line.copy.serving.port.reset();
  if (low == high) line.copy.serving.port = line.copy.launch.lowest_port;
}

// What `option` is to set: it is for the remote shell, and must not pass unnoticed where there is none.
LaunchOptions& launching(Line& line, const char* option) {
  line.copy.shell_option = option;
  return line.copy.launch;
}

void set_listen(Line& line, const Text& value) {
  launching(line, "--listen").listen = choice_value<ListenUse>(
      "--listen", value,
      {{"auto", ListenUse::kAuto}, {"local", ListenUse::kLocal}, {"remote", ListenUse::kRemote}});
}

void set_role(Line& line, PeerRole role) {
  if (std::exchange(line.copy.role, role) != PeerRole::kNone) {
    throw Error(Status::kUsage, "", "only one of --sender and --receiver, and once");
  }
}

constexpr auto
    kWhat =
        std::
            to_array<Option>(
                {
                    {'a', "archive", nullptr, kCopy, "the same as -rlptgoD", set_archive, nullptr, true},
                    {'r', "recursive", nullptr, kCopy, "directories, with all that is in them",
                     set<&CopyOptions::recursive>, clear_recursive, true},
                    flag<&CopyOptions::symlinks>('l', "links", "symlinks as symlinks (the default)"),
                    flag<&CopyOptions::copy_links>('L', "copy-links",
                                                   "what symlinks point to in place of them"),
                    flag<&CopyOptions::safe_links>(0, "safe-links",
                                                   "leave out symlinks that lead out of the tree"),
                    flag<&CopyOptions::perms>('p', "perms", "keep modes"),
                    flag<&CopyOptions::times>('t', "times", "keep times of modification"),
                    flag<&CopyOptions::owner>('o', "owner", "keep owners (root)"),
                    flag<&CopyOptions::group>('g', "group", "keep groups"),
                    {'D', nullptr, nullptr, kCopy, "devices and special files (root)",
                     [](Line& line, const Text&) { set_devices(line, true); },
                     [](Line& line) { set_devices(line, false); }, true},
                    flag<&CopyOptions::devices>(0, "devices", "device nodes (root)"),
                    flag<&CopyOptions::specials>(0, "specials", "FIFOs and sockets"),
                    flag<&CopyOptions::hard_links>('H', "hard-links", "hard links between the copied files"),
                    flag<&CopyOptions::acls>('A', "acls", "keep ACLs (implies -p)"),
                    flag<&CopyOptions::xattrs>('X', "xattrs", "keep extended attributes"),
                    flag<&CopyOptions::sparse>('S', "sparse",
                                               "holes in place of zeros (holes are always kept)"),
                    flag<&CopyOptions::numeric_ids>(0, "numeric-ids",
                                                    "owners and groups by number, not by name"),
                    {0, "chmod", "CHANGES", kCopy, "change modes on the way: u+rw,D755,Fgo-w", set_chmod,
                     nullptr, true},
                    {'x', "one-file-system", nullptr,
                     kCopy, "do not cross mount points; twice: leave them out", set_one_file_system,
                     clear_one_file_system, true},
                    {0, "exclude", "PATTERN", kCopy, "leave out what matches",
                     [](Line& line, const Text& value) {
                       line.copy.filters.push_back({false, false, value});
                     }},
                    {0, "include", "PATTERN", kCopy, "do not leave out what matches",
                     [](Line& line, const Text& value) {
                       line.copy.filters.push_back({true, false, value});
                     }},
                    {0, "exclude-from", "FILE", kCopy, "read patterns to leave out from FILE",
                     [](Line& line, const Text& value) {
                       line.copy.filters.push_back({false, true, value});
                     }},
                    {0, "include-from", "FILE", kCopy, "read patterns not to leave out from FILE",
                     [](Line& line, const Text& value) {
                       line.copy.filters.push_back({true, true, value});
                     }},
                    {0, "files-from", "FILE", kCopy, "copy only what FILE lists, relative to SRC",
                     [](Line& line, const Text& value) { line.copy.files_from = value; }},
                    {'0', "from0", nullptr, kCopy, "names in such FILEs end with NUL",
                     [](Line& line, const Text&) { line.copy.from0 = true; }},
                });

constexpr auto
    kWhen =
        std::to_array<Option>(
            {
                flag<&CopyOptions::ignore_times>('I', "ignore-times", "also what has the same size and time"),
                flag<&CopyOptions::checksum>('c', "checksum", "compare digests, not size and time"),
                flag<&CopyOptions::size_only>(0, "size-only", "compare sizes alone"),
                flag<&CopyOptions::update>('u', "update", "not what is newer at the destination"),
                flag<&CopyOptions::existing>(0, "existing", "create nothing new"),
                flag<&CopyOptions::ignore_existing>(0, "ignore-existing", "touch nothing that is there"),
                flag<&CopyOptions::delete_extra>(0, "delete",
                                                 "delete at the destination what the source does not have"),
                {0, "delete-excluded", nullptr, kCopy, "... and what is left out",
                 [](Line& line, const Text&) {
                   line.copy.copy.delete_extra = line.copy.copy.delete_excluded = true;
                 },
                 nullptr, true},
                {0, "max-delete", "N", kCopy, "delete at most N",
                 [](Line& line, const Text& value) {
                   line.copy.copy.max_delete = static_cast<std::uint64_t>(
                       number_value("--max-delete", value, 0, std::numeric_limits<int>::max()));
                 },
                 nullptr, true},
                flag<&CopyOptions::remove_source_files>(0, "remove-source-files",
                                                        "delete source files once all is in its place"),
                flag<&CopyOptions::dry_run>('n', "dry-run", "only say what would be done"),
                flag<&CopyOptions::backup>('b', "backup", "keep what is replaced or deleted, with a suffix"),
                {0, "suffix", "SUFFIX", kCopy, "for -b (default ~; with --backup-dir none)",
                 [](Line& line, const Text& value) { line.copy.copy.backup_suffix = value; }, nullptr, true,
                 ~0U, true},
                {0, "backup-dir", "DIR", kCopy, "move it to DIR instead",
                 [](Line& line, const Text& value) {
                   line.copy.copy.backup = true;
                   line.copy.copy.backup_dir = value;
                 },
                 nullptr, true},
                flag<&CopyOptions::partial>(0, "partial",
                                            "keep what arrived of an interrupted file, and go on from it"),
                {0, "partial-dir", "DIR", kCopy, "... in DIR (implies --partial)",
                 [](Line& line, const Text& value) {
                   line.copy.copy.partial = true;
                   line.copy.copy.partial_dir = value;
                 },
                 nullptr, true},
                {'P', nullptr, nullptr, kCopy, "the same as --partial --progress",
                 [](Line& line, const Text&) {
                   line.copy.copy.partial = true;
                   line.settings.progress.use = ProgressUse::kAuto;
                 },
                 nullptr, true},
                flag<&CopyOptions::inplace>(0, "inplace", "write into large files themselves"),
                flag<&CopyOptions::fsync>(0, "fsync", "all is on the medium before rdcp exits"),
                flag<&CopyOptions::verify>(0, "verify", "read back what was written, past the page cache"),
                {0, "direct", "auto|on|off", kCopy, "O_DIRECT for large files (auto: where it pays)",
                 [](Line& line, const Text& value) {
                   line.copy.copy.direct = choice_value<CopyDirect>(
                       "--direct", value,
                       {{"auto", CopyDirect::kAuto}, {"on", CopyDirect::kOn}, {"off", CopyDirect::kOff}});
                 },
                 nullptr, true},
                {0, "no-target-directory", nullptr, kCopy,
                 "DST is the new name, never a directory to copy into",
                 set<&CopyOptions::no_target_directory>, nullptr, true},
                {0, "target-directory", "DIR", kCopy, "copy all operands into DIR, which may be HOST:DIR",
                 [](Line& line, const Text& value) { line.copy.target_directory = value; }},
                flag<&CopyOptions::mkpath>(0, "mkpath", "create the directories that lead to DST"),
            });

constexpr auto kHow = std::to_array<Option>({
    {'v', "verbose", nullptr, kCopy, "list what changes, say which way the data takes, end with a summary",
     [](Line& line, const Text&) { line.settings.verbose = true; },
     [](Line& line) { line.settings.verbose = false; }},
    {'i', "itemize-changes", nullptr, kCopy, "list what is changed, and how",
     [](Line& line, const Text&) { line.copy.itemize = true; }, [](Line& line) { line.copy.itemize = false; },
     true},
    {0, "out-format", "FORMAT", kCopy, "list it so: %i %n %L %l %b %M %o %B %U %G",
     [](Line& line, const Text& value) { line.copy.out_format = value; }, nullptr, true},
    {0, "stats", nullptr, kCopy, "print all counts at the end",
     [](Line& line, const Text&) { line.copy.stats = true; }},
    {'h', "human-readable", nullptr, kCopy, "numbers with k, M, G",
     [](Line& line, const Text&) { line.copy.human_readable = true; },
     [](Line& line) { line.copy.human_readable = false; }},
    {'e', "rsh", "COMMAND", kCopy, "the remote shell (default RDCP_RSH, RSYNC_RSH, ssh)",
     [](Line& line, const Text& value) { launching(line, "--rsh").shell = value; }},
    {0, "rdcp-path", "COMMAND", kCopy, "rdcp on the other host",
     [](Line& line, const Text& value) { launching(line, "--rdcp-path").rdcp_path = value; }},
    {0, "ssh-option", "OPTION", kCopy, "an option for ssh, as in ssh_config(5)",
     [](Line& line, const Text& value) { launching(line, "--ssh-option").ssh_options.push_back(value); }},
    {0, "ssh-config", "FILE", kCopy, "a configuration file for ssh",
     [](Line& line, const Text& value) { launching(line, "--ssh-config").ssh_config = value; }},
    {0, "jump", "HOST", kCopy, "a host for ssh to go through",
     [](Line& line, const Text& value) { launching(line, "--jump").jump = value; }},
    {0, "listen", "auto|local|remote", kCopy, "which end listens for the data (auto: remote, else local)",
     set_listen, nullptr, true},
    {0, "port", "LO-HI", kCopy, "ports to listen on (default: any; of a server: 7470)", set_ports, nullptr,
     true},
    {0, "address", "ADDRESS", kCopy,
     "where to reach the listening end (default: what it finds on itself); for a server: local",
     [](Line& line, const Text& value) { line.copy.launch.address = value; }, nullptr, true},
    {0, "no-digest", nullptr, kCopy, "do not check what arrives against digests",
     [](Line& line, const Text&) { line.settings.connection.checksum = false; }, nullptr, true},
    {0, "help", nullptr, kCopy, "print this help and exit",
     [](Line& line, const Text&) { line.request = Request::kHelp; }},
});

// What the end that a user has started says to the other.
constexpr auto kBetweenEnds = std::to_array<Option>({
    {0, "peer", nullptr, kCopy, nullptr, [](Line& line, const Text&) { line.copy.peer = true; }},
    {0, "sender", nullptr, kCopy, nullptr,
     [](Line& line, const Text&) { set_role(line, PeerRole::kSender); }},
    {0, "receiver", nullptr, kCopy, nullptr,
     [](Line& line, const Text&) { set_role(line, PeerRole::kReceiver); }},
    {0, "into-directory", nullptr, kCopy, nullptr, set<&CopyOptions::target_directory>},
    {0, "listed-files", nullptr, kCopy, nullptr,
     [](Line& line, const Text&) { line.copy.copy.files_from.emplace(); }},
    {0, "listed-file", "NAME", kCopy, nullptr,
     [](Line& line, const Text& value) {
       auto& files = line.copy.copy.files_from;
       if (!files) files.emplace();
       files->push_back(value);
     }},
    {0, "requested", "SRC", kCopy, nullptr,
     [](Line& line, const Text& value) { line.copy.copy.requested.push_back(value); }},
    {0, "tell-launcher", nullptr, kCopy, nullptr,
     [](Line& line, const Text&) { line.copy.launcher_only_listens = true; }},
    {0, "tell-list", nullptr, kCopy, nullptr, [](Line& line, const Text&) { line.copy.list = true; }},
    {0, "tell-progress", nullptr, kCopy, nullptr, [](Line& line, const Text&) { line.copy.progress = true; }},
});

template <std::size_t... kSizes>
constexpr auto joined(const std::array<Option, kSizes>&... tables) {
  std::array<Option, (kSizes + ...)> all{};
  std::size_t next = 0;
  const auto add = [&](const auto& table) {
    for (const Option& option : table) all[next++] = option;
  };
  (add(tables), ...);
  return all;
}

constexpr auto kOptions = joined(kWhat, kWhen, kHow, kBetweenEnds);

}  // namespace

std::span<const Option> copy_options() { return kOptions; }

}  // namespace rdpipe::tools
