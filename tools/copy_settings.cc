#include "copy_settings.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string_view>
#include <system_error>
#include <utility>

#include "settings.h"

namespace rdpipe::tools {
namespace {

// What stands between the NULs of a file; or its lines, as rsync reads them: with or without '\r' at their
// end, and without comments.
std::vector<std::string> read_names(const std::string& path, bool from0) {
  std::ifstream file;
  if (path != "-") {
    file.open(path, std::ios::binary);
    if (!file) throw Error(Status::kEndpoint, fmt::format("open '{}'", path), ::strerror(errno));
  }
  std::istream& input = path == "-" ? std::cin : file;
  std::vector<std::string> lines;
  for (std::string line; std::getline(input, line, from0 ? '\0' : '\n');) {
    if (!from0 && line.ends_with('\r')) line.pop_back();
    const bool comment = !from0 && (line.starts_with('#') || line.starts_with(';'));
    if (!line.empty() && !comment) lines.push_back(std::move(line));
  }
  if (input.bad()) {
    std::error_code unknown;
    const bool is_directory = std::filesystem::is_directory(path, unknown);
    throw Error(Status::kEndpoint, fmt::format("read '{}'", path), ::strerror(is_directory ? EISDIR : EIO));
  }
  return lines;
}

// As in rsync, a pattern may begin with "+ " or "- ", which say what it is, and "!" forgets all before it.
void add_filter(std::vector<CopyFilter>& filters, bool include, const std::string& text) {
  if (text == "!") {
    filters.clear();
  } else if (text.starts_with("+ ") || text.starts_with("- ")) {
    if (text.size() == 2)
      throw Error(Status::kUsage, fmt::format("pattern '{}'", text), "nothing follows its sign");
    filters.push_back({.include = text.front() == '+', .pattern = text.substr(2)});
  } else {
    filters.push_back({.include = include, .pattern = text});
  }
}

void complete_filters(CopySettings& copy) {
  for (const FilterWord& word : copy.filters) {
    if (!word.from_file) {
      add_filter(copy.copy.filters, word.include, word.text);
      continue;
    }
    for (const std::string& line : read_names(word.text, copy.from0)) {
      add_filter(copy.copy.filters, word.include, line);
    }
  }
}

[[noreturn]] void reject(const std::string& cause) { throw Error(Status::kUsage, "", cause, "see --help"); }

void check_keys(const CommandLine& line) {
  const KeyChoice& key = line.settings.key;
  if (key.file && key.fd) reject("--key-file and --key-fd exclude each other");
  if (line.copy.serving.insecure_no_key && (key.file || key.fd)) {
    reject("--insecure-no-key and a key exclude each other");
  }
}

// The rest is the server's to judge.
void complete_serving(CommandLine& line) {
  if (!line.copy.copy_option.empty()) {
    throw Error(Status::kUsage, "option " + line.copy.copy_option, "it means nothing to a server",
                "what a client copies, and how, is for its own command line to say");
  }
  if (line.settings.key.fd) reject("--serve reads keys from a --key-file, not from --key-fd");
  line.settings.connection.address = line.copy.launch.address;
}

}  // namespace

void complete(CommandLine& line) {
  CopySettings& copy = line.copy;
  if (copy.serve) return complete_serving(line);
  check_keys(line);
  if (!copy.serve_option.empty()) {
    throw Error(Status::kUsage, "option " + copy.serve_option, "it means something with --serve only");
  }
  // What is written into leaves no old file to keep, and no new one beside it.
  if (copy.copy.inplace && (copy.copy.backup || !copy.copy.partial_dir.empty())) {
    throw Error(Status::kUsage, "option --inplace",
                copy.copy.backup ? "it leaves nothing for --backup" : "it leaves nothing for --partial-dir");
  }
  if (copy.copy.backup_suffix.value_or("").find('/') != std::string::npos) {
    throw Error(Status::kUsage, "option --suffix", "it must not contain '/'");
  }
  complete_filters(copy);
  if (!copy.files_from.empty()) {
    copy.copy.files_from = read_names(copy.files_from, copy.from0);
  }
  // As in rsync: of a directory in a list, -a alone takes the directory and nothing in it.
  if (copy.archive && !copy.copy.files_from) copy.copy.recursive = true;
  if (copy.copy.delete_extra && !copy.copy.recursive && !copy.copy.files_from) {
    throw Error(Status::kUsage, "option --delete", "without -r it would do nothing");
  }
  if (!copy.target_directory.empty()) copy.copy.target_directory = true;
  if (line.settings.quiet) line.settings.verbose = false;
  const bool lists = line.settings.verbose || (copy.copy.dry_run && !line.settings.quiet);
  copy.list = copy.list || copy.itemize || copy.out_format || lists;
  if (copy.itemize) copy.copy.out_format = "%i %n%L";
  if (copy.out_format) copy.copy.out_format = *copy.out_format;
}

std::vector<std::string> words_for_peer(const CopySettings& settings, PeerRole role,
                                        bool launcher_only_listens, const std::vector<std::string>& paths) {
  std::vector<std::string> words = settings.travelling;
  for (const CopyFilter& filter : settings.copy.filters) {
    // With its sign, so that a pattern that begins like one keeps its meaning.
    words.push_back(fmt::format("--exclude={} {}", filter.include ? '+' : '-', filter.pattern));
  }
  const auto& requested = settings.copy.requested;
  if (role == PeerRole::kReceiver) {
    for (const std::string& source : requested)
      words.push_back("--requested=" + (source.empty() ? "." : source));
  }
  if ((role == PeerRole::kSender || !requested.empty()) && settings.copy.files_from) {
    words.emplace_back("--listed-files");  // also where there are none
    for (const std::string& name : *settings.copy.files_from) {
      if (!name.empty()) words.push_back("--listed-file=" + name);
    }
  }
  if (settings.copy.target_directory) words.emplace_back("--into-directory");
  if (launcher_only_listens) {
    words.emplace_back("--tell-launcher");
    if (settings.list) words.emplace_back("--tell-list");
    if (settings.progress) words.emplace_back("--tell-progress");
  }
  words.emplace_back(role == PeerRole::kSender ? "--sender" : "--receiver");
  words.emplace_back("--");
  words.insert(words.end(), paths.begin(), paths.end());
  return words;
}

}  // namespace rdpipe::tools
