// How values stand in records and notes: unsigned integers in groups of seven bits, least significant first,
// the top bit set in all but the last (at most ten bytes); signed ones zigzag; texts with their length in
// front. Bytes in, values out, no I/O.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace rdpipe {

class Packer {
 public:
  explicit Packer(std::vector<std::byte>& out) : out_(out) {}
  void byte(std::uint8_t value) { out_.push_back(static_cast<std::byte>(value)); }
  void number(std::uint64_t value);
  void signed_number(std::int64_t value);
  void raw(std::span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void text(std::string_view value) {
    number(value.size());
    raw(std::as_bytes(std::span(value)));
  }

 private:
  std::vector<std::byte>& out_;
};

// Reads what Packer wrote. A failed read is remembered and gives zeros and empty texts; ask ok() at the end.
// Texts point into the bytes it was given.
class Unpacker {
 public:
  explicit Unpacker(std::span<const std::byte> bytes) : rest_(bytes) {}
  [[nodiscard]] std::uint8_t byte();
  [[nodiscard]] std::uint64_t number();
  // The same, malformed when it is greater than `most`.
  [[nodiscard]] std::uint64_t number(std::uint64_t most);
  [[nodiscard]] std::int64_t signed_number();
  [[nodiscard]] std::span<const std::byte> raw(std::size_t size);
  [[nodiscard]] std::string_view text(std::size_t most);
  [[nodiscard]] std::span<const std::byte> rest() const { return rest_; }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool complete() const { return ok_ && rest_.empty(); }
  void fail();

 private:
  std::span<const std::byte> rest_;
  bool ok_ = true;
};

// A number of exactly kPaddedSize bytes: its value is known later than its place.
constexpr std::size_t kPaddedSize = 4;
constexpr std::uint64_t kPaddedMost = (std::uint64_t{1} << 28) - 1;
void write_padded(std::uint64_t value, std::span<std::byte, kPaddedSize> out);

}  // namespace rdpipe
