#include "key_list.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>  // NOLINT: explicit_bzero is not in <cstring>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <set>
#include <string_view>
#include <utility>

#include "key_text.h"
#include "keys.h"
#include "open_descriptor.h"

namespace rdpipe::tools {
namespace {

constexpr std::size_t kLargestFile = 1 << 20;  // bytes
constexpr std::size_t kLongestName = 64;
constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kDirectory = "dir=";

[[noreturn]] void reject(const std::string& where, const std::string& cause, const std::string& hint = {}) {
  throw Error(Status::kAuthentication, where, cause, hint);
}

void wipe(std::string& text) {
  text.resize(text.capacity());  // what it was once moved from, too
  ::explicit_bzero(text.data(), text.size());
}

struct WipedText {
  WipedText() = default;
  WipedText(const WipedText&) = delete;
  WipedText& operator=(const WipedText&) = delete;
  ~WipedText() { wipe(text); }

  std::string text{};
};

// Keys that nobody has taken out yet are wiped.
struct WipedKeys {
  WipedKeys() = default;
  WipedKeys(const WipedKeys&) = delete;
  WipedKeys& operator=(const WipedKeys&) = delete;
  ~WipedKeys() {
    for (ServedKey& key : keys) wipe(key.key);
  }

  std::vector<ServedKey> keys{};
};

void require_regular(int fd, const std::string& attempt) {
  struct stat status {};
  if (::fstat(fd, &status) == -1) reject(attempt, ::strerror(errno));
  if (!S_ISREG(status.st_mode)) reject(attempt, "it is not a regular file");
}

void read_file(const std::string& path, std::string& text) {
  const std::string attempt = fmt::format("read the key file '{}'", path);
  // A FIFO's open() would wait for a writer.
  const OpenDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (file.get() == -1) reject(attempt, ::strerror(errno));
  require_regular(file.get(), attempt);
  require_private(file.get(), path, attempt);
  text.resize(kLargestFile + 1);
  std::size_t size = 0;
  while (size < text.size()) {
    const auto count = ::read(file.get(), text.data() + size, text.size() - size);
    if (count == -1 && errno == EINTR) continue;
    if (count == -1) reject(attempt, ::strerror(errno));
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  if (size > kLargestFile) reject(attempt, "it is larger than 1 MiB");
  text.resize(size);
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

void skip_blanks(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
}

bool ends_word(std::string_view line) {
  return line.empty() || kBlanks.find(line.front()) != std::string_view::npos;
}

char take_letter(std::string_view& line) {
  const char letter = line.front();
  line.remove_prefix(1);
  return letter;
}

// What stands before the closing quote.
void take_quoted(std::string_view& line, std::string& word, const std::string& where) {
  for (bool as_it_is = false;;) {
    if (line.empty()) reject(where, "a closing quote is missing");
    const char letter = take_letter(line);
    if (!as_it_is && letter == '"') break;
    as_it_is = !as_it_is && letter == '\\';
    if (!as_it_is) word += letter;
  }
  if (!ends_word(line)) reject(where, "a blank is missing behind a closing quote");
}

// False at the end of the line. Not a stream's, whose buffers would keep what they have read.
bool take_word(std::string_view& line, std::string& word, const std::string& where) {
  word.clear();
  word.reserve(line.size());  // growing would leave parts of a key behind
  skip_blanks(line);
  if (line.empty()) return false;
  while (!ends_word(line)) {
    const char letter = take_letter(line);
    if (letter == '"' && (word.empty() || word == kDirectory)) {
      take_quoted(line, word, where);
      break;
    }
    word += letter;
  }
  return true;
}

// Two words in the wrong order would put the key into the log.
bool looks_like_a_key(const std::string& name) {
  constexpr std::size_t kRandomKeyDigits = 64;
  const bool has_length = name.size() + 1 >= kRandomKeyDigits;
  return has_length &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

void require_name(const std::string& name, const std::string& where) {
  const auto good = [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) != 0 ||
                        std::string_view("._-@").find(static_cast<char>(c)) != std::string_view::npos);
  };
  if (name.empty() || name.size() > kLongestName) {
    reject(where, fmt::format("NAME has {} characters, not 1 to {}", name.size(), kLongestName));
  }
  if (!std::all_of(name.begin(), name.end(), good)) {
    reject(where, "NAME has a character that is none of A-Z a-z 0-9 . _ - @");
  }
  if (looks_like_a_key(name)) reject(where, "NAME looks like a KEY", "NAME comes first");
}

void require_key(std::string& key, const std::string& where) {
  if (key.empty()) reject(where, "KEY is empty");
  if (key == "read" || key == "write" || key.starts_with(kDirectory)) reject(where, "KEY is missing");
  if (key.size() > kLongestKey) reject(where, fmt::format("KEY is longer than {} bytes", kLongestKey));
  if (key == kNoKey) reject(where, "everybody knows this KEY", "rdcp --generate-key makes one");
  // Of a random key the digits may be written either way: the same key is to look the same.
  const auto is_digit = [](unsigned char c) { return std::isxdigit(c) != 0; };
  if (key.size() == kNoKey.size() && std::all_of(key.begin(), key.end(), is_digit)) {
    for (char& digit : key) digit = static_cast<char>(std::tolower(static_cast<unsigned char>(digit)));
  }
}

void set_directory(ServedKey& key, const std::string& directory, const std::string& where) {
  if (!key.directory.empty()) reject(where, "dir= is there twice");
  if (directory.empty()) reject(where, "dir= is empty");
  if (fmt::format("/{}/", directory).find("/../") != std::string::npos) {
    reject(where, "dir= has a '..' in it");
  }
  key.directory = directory;
}

void parse_line(std::string_view line, ServedKey& key, const std::string& where) {
  key.may_read = key.may_write = false;
  WipedText word;  // where a quote was forgotten, a part of the key
  take_word(line, key.name, where);
  require_name(key.name, where);
  if (!take_word(line, key.key, where)) reject(where, "KEY is missing");
  require_key(key.key, where);
  for (int number = 3; take_word(line, word.text, where); ++number) {
    if (word.text == "read") {
      key.may_read = true;
    } else if (word.text == "write") {
      key.may_write = true;
    } else if (word.text.starts_with(kDirectory)) {
      set_directory(key, word.text.substr(kDirectory.size()), where);
    } else {
      reject(where, fmt::format("word {} is none of dir=DIRECTORY, read and write", number),
             "a key with blanks in it is put in double quotes");
    }
  }
  if (!key.may_read && !key.may_write) key.may_read = key.may_write = true;
}

}  // namespace

std::vector<ServedKey> read_key_list(const std::string& path,
                                     const std::function<void(const std::string&)>& warn) {
  WipedText text;
  read_file(path, text.text);
  WipedKeys list;
  // None moves any more, which would leave it behind, and take it from those below.
  list.keys.reserve(static_cast<std::size_t>(std::count(text.text.begin(), text.text.end(), '\n')) + 1);
  std::set<std::string_view> names, keys;
  std::string_view rest = text.text;
  for (int number = 1; !rest.empty(); ++number) {
    std::string_view line = take_line(rest);
    skip_blanks(line);
    if (line.empty() || line.starts_with('#')) continue;
    const std::string where = fmt::format("key file '{}', line {}", path, number);
    ServedKey& key = list.keys.emplace_back();
    parse_line(line, key, where);
    if (!names.insert(key.name).second) reject(where, "a line above has the same NAME");
    if (!keys.insert(key.key).second) reject(where, "a line above has the same KEY");
    const std::string doubt = doubt_about(key.key);
    if (!doubt.empty() && warn) warn(fmt::format("{}: {}", where, doubt));
  }
  if (list.keys.empty()) reject(fmt::format("read the key file '{}'", path), "no key there");
  return std::move(list.keys);
}

}  // namespace rdpipe::tools
