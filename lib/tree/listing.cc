#include "tree/listing.h"

#include <fmt/format.h>

#include <array>
#include <ctime>

#include "ground/error.h"

namespace rdpipe {
namespace {

// Bytes of a name and of what it leads to: both go into a line (kMaxLine).
constexpr std::size_t kMaxShown = 3800;
constexpr std::size_t kMaxTargetShown = 4100;

char type_letter(EntryType type) {
  switch (type) {
    case EntryType::kDirectory:
      return 'd';
    case EntryType::kSymlink:
      return 'L';
    case EntryType::kCharacter:
    case EntryType::kBlock:
      return 'D';
    case EntryType::kFifo:
    case EntryType::kSocket:
      return 'S';
    default:
      return 'f';
  }
}

std::string name_of(const ListedEntry& entry) {
  std::string name = escaped(entry.path.empty() ? "." : entry.path, kMaxShown);
  if (entry.type == EntryType::kDirectory) name += '/';
  return name;
}

std::string target_of(const ListedEntry& entry) {
  if (entry.target.empty()) return "";
  return (entry.update == 'h' ? " => " : " -> ") + escaped(entry.target, kMaxTargetShown);
}

std::string time_of(const ListedEntry& entry) {
  const auto seconds = static_cast<std::time_t>(entry.attributes.seconds);
  std::tm local{};
  std::array<char, 32> text{};
  if (::localtime_r(&seconds, &local) == nullptr) return "";
  return std::string(text.data(), std::strftime(text.data(), text.size(), "%Y/%m/%d-%H:%M:%S", &local));
}

std::string mode_of(const ListedEntry& entry) {
  std::string text = "rwxrwxrwx";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((entry.attributes.mode & (0400U >> i)) == 0) text[i] = '-';
  }
  const auto special = [&](mode_t bit, std::size_t at, char letter) {
    if ((entry.attributes.mode & bit) != 0)
      text[at] = text[at] == 'x' ? letter : static_cast<char>(letter - 32);
  };
  special(04000, 2, 's');
  special(02000, 5, 's');
  special(01000, 8, 't');
  return text;
}

std::string operation_of(const ListedEntry& entry) {
  return entry.update == '*' ? "del." : entry.update == '<' ? "send" : "recv";
}

std::string expand(char letter, const ListedEntry& entry) {
  switch (letter) {
    case 'i':
      return itemize(entry);
    case 'n':
    case 'f':
      return name_of(entry);
    case 'L':
      return target_of(entry);
    case 'l':
      return std::to_string(entry.size);
    case 'b':
      return std::to_string(entry.moved);
    case 'M':
      return time_of(entry);
    case 'o':
      return operation_of(entry);
    case 'B':
      return mode_of(entry);
    case 'U':
      return std::to_string(entry.attributes.uid);
    case 'G':
      return std::to_string(entry.attributes.gid);
    case '%':
      return "%";
    default:
      return {'%', letter};
  }
}

}  // namespace

std::string itemize(const ListedEntry& entry) {
  if (entry.update == '*') return "*deleting  ";
  std::string text{entry.update, type_letter(entry.type)};
  const Changes& changes = entry.changes;
  if (changes.created || changes.replaced) return text + "+++++++++";
  const auto put = [&](bool changed, char letter) { text += changed ? letter : '.'; };
  put(changes.content, 'c');
  put(changes.size, 's');
  put(changes.time || changes.time_now, changes.time ? 't' : 'T');
  put(changes.mode, 'p');
  put(changes.owner, 'o');
  put(changes.group, 'g');
  text += '.';
  put(changes.acl, 'a');
  put(changes.xattrs, 'x');
  const bool moves = entry.update == '<' || entry.update == '>';
  return moves || changes.any() || changes.time_now ? text : text.substr(0, 2) + "         ";
}

std::string format_line(const std::string& format, const ListedEntry& entry) {
  std::string line;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '%' && i + 1 < format.size()) {
      line += expand(format[++i], entry);
    } else {
      line += format[i];
    }
  }
  return line;
}

}  // namespace rdpipe
