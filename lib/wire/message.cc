#include "wire/message.h"

#include <algorithm>
#include <concepts>
#include <cstring>
#include <string_view>

#include "wire/integers.h"

namespace rdpipe {
namespace {

enum class Type : std::uint8_t {
  kOffer = 1,
  kEnd = 2,
  kCommitted = 3,
  kFailed = 4,
  kBye = 5,
  kNote = 6,
  kWorking = 7,
  kOrder = 8,
  kQueued = 9,
  kAdmitted = 10,
  kSync = 11
};

struct MessageHeader {
  be8 type;
  be32 length;
};
struct FieldHeader {
  be16 tag;
  be16 length;
};
static_assert(sizeof(MessageHeader) == 5 && sizeof(FieldHeader) == 4);

constexpr std::uint16_t kCriticalTag = 0x8000;
constexpr std::uint16_t kContentTag = kCriticalTag | 12;
constexpr std::size_t kMaxName = 255;   // bytes of a host or software name
constexpr std::size_t kMaxText = 2048;  // bytes of an attempt or cause

template <typename T>
T load(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// Appends one message; the length in its header is completed at the end of its life.
class Writer {
 public:
  Writer(Type type, std::vector<std::byte>& out) : out_(out), start_(out.size()) {
    append(MessageHeader{static_cast<std::uint8_t>(type), 0});
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() {
    const be32 length = static_cast<std::uint32_t>(out_.size() - start_ - sizeof(MessageHeader));
    std::memcpy(out_.data() + start_ + offsetof(MessageHeader, length), &length, sizeof length);
  }

  template <std::unsigned_integral T>
  void integer(std::uint16_t tag, T value) {
    append(FieldHeader{tag, sizeof value});
    append(BigEndian<T>(value));
  }
  template <typename E>
  requires std::is_enum_v<E>
  void enumerator(std::uint16_t tag, E value) { integer(tag, static_cast<std::underlying_type_t<E>>(value)); }
  void bytes(std::uint16_t tag, std::span<const std::byte> value) {
    append(FieldHeader{tag, static_cast<std::uint16_t>(value.size())});
    out_.insert(out_.end(), value.begin(), value.end());
  }
  void text(std::uint16_t tag, std::string_view value, std::size_t limit) {
    bytes(tag, std::as_bytes(std::span(value.substr(0, limit))));
  }

 private:
  template <typename T>
  void append(const T& value) {
    const auto raw = std::as_bytes(std::span(&value, 1));
    out_.insert(out_.end(), raw.begin(), raw.end());
  }

  std::vector<std::byte>& out_;
  std::size_t start_;
};

// Reads fields in ascending order of tag. A failed read is remembered: ask complete() at the end.
class Fields {
 public:
  explicit Fields(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  void integer(std::uint16_t tag, T& value) {
    const auto field = required(tag, sizeof(T), sizeof(T));
    if (ok_) value = load<BigEndian<T>>(field);
  }
  template <typename E>
  requires std::is_enum_v<E>
  void enumerator(std::uint16_t tag, E& value, E least, E greatest) {
    std::underlying_type_t<E> plain{};
    integer(tag, plain);
    value = static_cast<E>(plain);
    ok_ = ok_ && value >= least && value <= greatest;
  }
  void flag(std::uint16_t tag, bool& value) {
    std::uint8_t plain = 0;
    integer(tag, plain);
    value = plain == 1;
    ok_ = ok_ && plain <= 1;
  }
  template <std::size_t N>
  void bytes(std::uint16_t tag, std::array<std::byte, N>& value) {
    const auto field = required(tag, N, N);
    if (ok_) std::copy(field.begin(), field.end(), value.begin());
  }
  void text(std::uint16_t tag, std::string& value, std::size_t limit) {
    const auto field = required(tag, 0, limit);
    if (ok_) value.assign(reinterpret_cast<const char*>(field.data()), field.size());
  }
  void bytes(std::uint16_t tag, std::vector<std::byte>& value, std::size_t least, std::size_t most) {
    const auto field = required(tag, least, most);
    if (ok_) value.assign(field.begin(), field.end());
  }
  // Whether the next known field is `tag`: for optional ones.
  [[nodiscard]] bool has(std::uint16_t tag) {
    skip_to(tag);
    return ok_ && !rest_.empty() && front_.tag == tag;
  }
  // True when all reads were good and nothing critical is left.
  [[nodiscard]] bool complete() {
    skip_to(0xFFFF);
    return ok_ && rest_.empty();
  }

 private:
  std::span<const std::byte> required(std::uint16_t tag, std::size_t least, std::size_t most) {
    if (!has(tag) || front_.length < least || front_.length > most) {
      ok_ = false;
      return {};
    }
    return take();
  }
  // Drops unknown fields in front of `tag`, which must not be critical.
  void skip_to(std::uint16_t tag) {
    while (peek() && front_.tag < tag) {
      if ((front_.tag & kCriticalTag) != 0) ok_ = false;
      take();
    }
  }
  // Looks at the next field's header: false at the end, or where it is misshapen.
  bool peek() {
    if (!ok_ || rest_.empty()) return false;
    if (rest_.size() < sizeof(FieldHeader)) return ok_ = false;
    front_ = load<FieldHeader>(rest_);
    const bool ascending = front_.tag >= least_tag_;
    return ok_ = ascending && front_.length <= rest_.size() - sizeof(FieldHeader);
  }
  std::span<const std::byte> take() {
    const auto value = rest_.subspan(sizeof(FieldHeader), front_.length);
    rest_ = rest_.subspan(sizeof(FieldHeader) + front_.length);
    least_tag_ = front_.tag + 1U;
    return value;
  }

  std::span<const std::byte> rest_;
  FieldHeader front_;
  std::uint32_t least_tag_ = 0;  // wider than a tag: nothing follows 0xFFFF
  bool ok_ = true;
};

void put(const Offer& offer, std::vector<std::byte>& out) {
  Writer writer(Type::kOffer, out);
  writer.bytes(1, offer.transcript);
  writer.integer(2, offer.fabric);
  writer.integer(3, offer.minor);
  writer.enumerator(4, offer.role);
  writer.integer(5, offer.slot_size);
  writer.enumerator(6, offer.digest);
  writer.enumerator(7, offer.seal);
  writer.integer(8, static_cast<std::uint8_t>(offer.same_host));
  if (offer.size) writer.integer(9, *offer.size);
  writer.text(10, offer.host, kMaxName);
  writer.text(11, offer.software, kMaxName);
  if (offer.compressions != 0) writer.integer(13, offer.compressions);
  if (offer.content != Content::kStream) writer.enumerator(kContentTag, offer.content);
}

void put(const End& end, std::vector<std::byte>& out) {
  Writer writer(Type::kEnd, out);
  writer.integer(1, end.length);
  writer.integer(2, end.frames);
  if (end.root) writer.bytes(3, *end.root);
}

void put(const Committed& committed, std::vector<std::byte>& out) {
  Writer(Type::kCommitted, out).integer(1, committed.length);
}

void put(const Failed& failed, std::vector<std::byte>& out) {
  Writer writer(Type::kFailed, out);
  writer.integer(1, static_cast<std::uint8_t>(failed.status));
  writer.text(2, failed.attempt, kMaxText);
  writer.text(3, failed.cause, kMaxText);
  writer.text(4, failed.host, kMaxName);
}

void put(const Bye&, std::vector<std::byte>& out) { Writer(Type::kBye, out); }

void put(const Note& note, std::vector<std::byte>& out) {
  Writer(Type::kNote, out).bytes(1, std::span(note.bytes).first(std::min(note.bytes.size(), kMaxNote)));
}

void put(const Working&, std::vector<std::byte>& out) { Writer(Type::kWorking, out); }

void put(const Order& order, std::vector<std::byte>& out) {
  Writer writer(Type::kOrder, out);
  writer.bytes(1, std::span(order.words).first(std::min(order.words.size(), kMaxWords)));
  writer.integer(2, static_cast<std::uint8_t>(order.last));
  writer.integer(3, static_cast<std::uint8_t>(order.waits));
}

void put(const Queued& queued, std::vector<std::byte>& out) {
  Writer(Type::kQueued, out).integer(1, queued.ahead);
}

void put(const Admitted&, std::vector<std::byte>& out) { Writer(Type::kAdmitted, out); }

void put(const Sync& sync, std::vector<std::byte>& out) { Writer(Type::kSync, out).integer(1, sync.length); }

void get(Fields& fields, Offer& offer) {
  fields.bytes(1, offer.transcript);
  fields.integer(2, offer.fabric);
  fields.integer(3, offer.minor);
  fields.enumerator(4, offer.role, Role::kSends, Role::kBoth);
  fields.integer(5, offer.slot_size);
  fields.enumerator(6, offer.digest, Choice::kAuto, Choice::kNo);
  fields.enumerator(7, offer.seal, Choice::kAuto, Choice::kNo);
  fields.flag(8, offer.same_host);
  if (fields.has(9)) fields.integer(9, offer.size.emplace());
  fields.text(10, offer.host, kMaxName);
  fields.text(11, offer.software, kMaxName);
  if (fields.has(13)) fields.integer(13, offer.compressions);
  if (fields.has(kContentTag)) {
    fields.enumerator(kContentTag, offer.content, Content::kStream, Content::kDuplex);
  }
}

void get(Fields& fields, End& end) {
  fields.integer(1, end.length);
  fields.integer(2, end.frames);
  if (fields.has(3)) fields.bytes(3, end.root.emplace());
}

void get(Fields& fields, Committed& committed) { fields.integer(1, committed.length); }

void get(Fields& fields, Failed& failed) {
  std::uint8_t status = 0;
  fields.integer(1, status);
  failed.status = status;
  fields.text(2, failed.attempt, kMaxText);
  fields.text(3, failed.cause, kMaxText);
  fields.text(4, failed.host, kMaxName);
}

void get(Fields&, Bye&) {}
void get(Fields&, Working&) {}

void get(Fields&, Admitted&) {}
void get(Fields& fields, Sync& sync) { fields.integer(1, sync.length); }
void get(Fields& fields, Queued& queued) { fields.integer(1, queued.ahead); }

void get(Fields& fields, Order& order) {
  fields.bytes(1, order.words, 1, kMaxWords);
  fields.flag(2, order.last);
  fields.flag(3, order.waits);
}

void get(Fields& fields, Note& note) { fields.bytes(1, note.bytes, 1, kMaxNote); }

template <typename T>
std::optional<Message> decode_as(std::span<const std::byte> bytes) {
  Fields fields(bytes);
  T message{};
  get(fields, message);
  if (!fields.complete()) return {};
  return message;
}

std::optional<Message> decode_body(std::uint8_t type, std::span<const std::byte> bytes) {
  switch (static_cast<Type>(type)) {
    case Type::kOffer:
      return decode_as<Offer>(bytes);
    case Type::kEnd:
      return decode_as<End>(bytes);
    case Type::kCommitted:
      return decode_as<Committed>(bytes);
    case Type::kFailed:
      return decode_as<Failed>(bytes);
    case Type::kBye:
      return decode_as<Bye>(bytes);
    case Type::kNote:
      return decode_as<Note>(bytes);
    case Type::kWorking:
      return decode_as<Working>(bytes);
    case Type::kOrder:
      return decode_as<Order>(bytes);
    case Type::kQueued:
      return decode_as<Queued>(bytes);
    case Type::kAdmitted:
      return decode_as<Admitted>(bytes);
    case Type::kSync:
      return decode_as<Sync>(bytes);
  }
  return {};
}

}  // namespace

void encode(const Message& message, std::vector<std::byte>& out) {
  std::visit([&](const auto& alternative) { put(alternative, out); }, message);
}

void MessageReader::add(std::span<const std::byte> bytes) {
  if (!malformed_) buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

std::optional<Message> MessageReader::next() {
  if (malformed_ || buffer_.size() < sizeof(MessageHeader)) return {};
  const auto header = load<MessageHeader>(buffer_);
  if (header.length > kMaxMessage - sizeof header) {
    malformed_ = true;
  } else {
    const std::size_t whole = sizeof header + header.length;
    if (buffer_.size() < whole) return {};
    auto message = decode_body(header.type, std::span(buffer_).subspan(sizeof header, header.length));
    malformed_ = !message;
    if (message) {
      buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(whole));
      return message;
    }
  }
  buffer_ = {};
  return {};
}

}  // namespace rdpipe
