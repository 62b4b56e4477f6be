// Fuzzes what reads the records and notes of a tree. However a stream is cut into frames, it reads the same;
// an entry that is accepted is written again as the same value; patterns and modes end.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "tree/filter.h"
#include "tree/mode_change.h"
#include "tree/note.h"
#include "tree/record.h"

namespace {

using namespace rdpipe;

void require(bool fact) {
  if (!fact) std::abort();
}

using Read = std::vector<std::pair<RecordType, std::vector<std::byte>>>;

Read read_records(std::span<const std::byte> bytes, std::size_t piece, bool& malformed) {
  RecordReader reader;
  Read records;
  while (!bytes.empty()) {
    const auto frame = bytes.first(std::min(piece, bytes.size()));
    bytes = bytes.subspan(frame.size());
    reader.add(frame);
    while (const auto record = reader.next()) {
      records.emplace_back(record->type, std::vector<std::byte>(record->body.begin(), record->body.end()));
    }
  }
  malformed = reader.malformed();
  return records;
}

void decode_all(std::span<const std::byte> body) {
  static_cast<void>(decode_begin(body));
  static_cast<void>(decode_identity(body));
  static_cast<void>(decode_keep(body));
  static_cast<void>(decode_file(body));
  static_cast<void>(decode_range(body));
  static_cast<void>(decode_end_file(body));
  static_cast<void>(decode_link(body));
  static_cast<void>(decode_directory_end(body));
  static_cast<void>(decode_end(body));
  static_cast<void>(decode_line(body));
  const auto entry = decode_entry(body);
  if (!entry) return;
  require(is_component(entry->name) || entry->name == ".");
  std::vector<std::byte> written;
  append(*entry, written);
  RecordReader reader;
  reader.add(written);
  const auto again = decode_entry(reader.next().value().body);
  require(again && again->name == entry->name && again->size == entry->size && again->head == entry->head &&
          again->seconds == entry->seconds && again->xattrs.size() == entry->xattrs.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  bool one_malformed = false;
  bool other_malformed = false;
  const Read whole = read_records(bytes, size + 1, one_malformed);
  const Read pieces = read_records(bytes, 7, other_malformed);
  if (!one_malformed && !other_malformed) require(whole == pieces);
  for (const auto& [type, body] : whole) decode_all(body);
  decode_all(bytes);
  static_cast<void>(decode_note(bytes));
  const std::string text(reinterpret_cast<const char*>(data), std::min<std::size_t>(size, 200));
  static_cast<void>(matches_pattern(text.substr(0, text.size() / 2), text.substr(text.size() / 2)));
  static_cast<void>(Filters({{false, text}}).excludes("a/b/c", false));
  if (const auto change = ModeChange::parse(text, 022)) require(change->apply(0644, false) <= 07777);
  return 0;
}
