// The messages of a session, as they travel inside TLS: type u8, length u32, then fields of tag u16, length
// u16, value. Bytes in, values out, no I/O. A receiver skips fields it does not know unless the tag's top bit
// is set.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace rdpipe {

constexpr std::uint32_t kProtocolMagic = 0x52445031;  // "RDP1"
constexpr std::uint16_t kProtocolMajor = 1;
constexpr std::uint16_t kProtocolMinor = 0;
constexpr std::size_t kMaxMessage = 16384;  // bytes, header included

enum class Role : std::uint8_t { kSends = 1, kReceives = 2, kBoth = 3 };
enum class Choice : std::uint8_t { kAuto = 0, kYes = 1, kNo = 2 };

// What one end is and wants; each end sends one when it has its ring. agree() makes the terms of both.
struct Offer {
  std::array<std::byte, 32>
      transcript{};         // SHA-256 of HELLO and its answer as this end saw them: no downgrade
  std::uint8_t fabric = 0;  // Fabric, as this end sees it
  std::uint16_t minor = kProtocolMinor;
  Role role{};
  std::uint32_t slot_size = 0;        // largest payload this end can take or give, bytes
  Choice digest = Choice::kAuto;      // auto: on unless the other end says no
  Choice seal = Choice::kAuto;        // auto: TCP to another host
  bool same_host = false;             // as this end sees it
  std::optional<std::uint64_t> size;  // of a sender's source, where it is known: a hint, bytes
  std::string host;                   // this end's name, for messages
  std::string software;               // "rdpipe 0.1.0", for messages
};
// The sender's: the stream ends here, and this is what it was.
struct End {
  std::uint64_t length = 0;                       // bytes
  std::uint64_t frames = 0;                       // data and hole frames
  std::optional<std::array<std::byte, 16>> root;  // none where the digest is off
};
// The receiver's: every byte is here, was checked, and is where it was told to go.
struct Committed {
  std::uint64_t length = 0;
};
// Either's: the transfer has failed here, and why.
struct Failed {
  int status = 0;  // exit status
  std::string attempt, cause, host;
};
struct Bye {};  // the answer to Committed

using Message = std::variant<Offer, End, Committed, Failed, Bye>;

void encode(const Message& message, std::vector<std::byte>& out);  // appended

// Takes messages off a byte stream that arrives in pieces.
class MessageReader {
 public:
  void add(std::span<const std::byte> bytes);
  // The next whole message; nothing while it is incomplete, or for good when malformed() .
  [[nodiscard]] std::optional<Message> next();
  [[nodiscard]] bool malformed() const noexcept { return malformed_; }

 private:
  std::vector<std::byte> buffer_;
  bool malformed_ = false;
};

}  // namespace rdpipe
