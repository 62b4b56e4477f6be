// The messages of a session, as they travel inside TLS. Bytes in, values out, no I/O.
//
// A message is type u8, length u32 (bytes that follow), then fields in strictly ascending order of tag; a
// field is tag u16, length u16, value. Integers are big-endian, texts UTF-8 without a terminator. A receiver
// skips fields it does not know unless the tag's top bit is set; an unknown type, an unknown field with that
// bit, a missing or misshapen field make the stream malformed.
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
constexpr std::uint16_t kProtocolMajor = 3;
constexpr std::uint16_t kProtocolMinor = 0;
constexpr std::size_t kMaxMessage = 16384;  // bytes, header included
constexpr std::size_t kMaxNote = 8192;      // bytes of a note
constexpr std::size_t kMaxWords = 8192;     // bytes of an order's words in one message

enum class Role : std::uint8_t { kSends = 1, kReceives = 2, kBoth = 3 };
// What the bytes are: a stream, the stream of a tree, or two streams, one in each direction.
enum class Content : std::uint8_t { kStream = 0, kTree = 1, kDuplex = 2 };
enum class Choice : std::uint8_t { kAuto = 0, kYes = 1, kNo = 2 };

// What one end is and wants; each end sends one when it has its ring. agree() makes the terms of both.
// Type 1. Fields: 1 transcript, 2 fabric u8, 3 minor u16, 4 role u8, 5 slot_size u32, 6 digest u8, 7 seal u8,
// 8 same_host u8 (0 or 1), 9 size u64 (optional), 10 host, 11 software (texts of at most 255 bytes),
// 13 compressions u8 (only where it is not 0),
// 0x800C content u8 (only where it is not 0: one that does not know it must not go on).
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
  Content content = Content::kStream;
  std::uint8_t compressions = 0;  // kCompressionFlags: that a sender wants to use, that a receiver can undo

  bool operator==(const Offer&) const = default;
};
// The sender's: the stream ends here, and this is what it was.
// Type 2. Fields: 1 length u64, 2 frames u64, 3 root 16 bytes (optional).
struct End {
  std::uint64_t length = 0;                       // bytes
  std::uint64_t frames = 0;                       // data and hole frames
  std::optional<std::array<std::byte, 16>> root;  // none where the digest is off

  bool operator==(const End&) const = default;
};
// The receiver's: every byte is here, was checked, and is where it was told to go. In a duplex also the
// answer to a Sync, whose bytes have been consumed. Type 3. Field: 1 length u64.
struct Committed {
  std::uint64_t length = 0;

  bool operator==(const Committed&) const = default;
};
// Either's: the transfer has failed here, and why.
// Type 4. Fields: 1 status u8, 2 attempt, 3 cause (texts of at most 2048 bytes), 4 host (at most 255).
struct Failed {
  int status = 0;  // exit status
  std::string attempt, cause, host;

  bool operator==(const Failed&) const = default;
};
// The answer to Committed. Type 5, no fields.
struct Bye {
  bool operator==(const Bye&) const = default;
};

// The receiver's, while the stream runs and before Committed: what its sink has to say to the far source. The
// session does not look into it.
// Type 6. Field: 1 bytes (1 to 8192).
struct Note {
  std::vector<std::byte> bytes;

  bool operator==(const Note&) const = default;
};

// Either's, while the stream runs: nothing may cross the line for a while, but this end gets on with what
// takes long, or its reader takes bytes. Type 7, no fields.
struct Working {
  bool operator==(const Working&) const = default;
};

// A client's to a server, before the offers: what it wants, as the words of a command line, each with a NUL
// behind it. What does not fit into one message goes on in the next.
// Type 8. Fields: 1 words (1 to 8192 bytes), 2 last u8 (0 or 1), 3 waits u8 (0 or 1).
struct Order {
  std::vector<std::byte> words;
  bool last = true;    // nothing more follows
  bool waits = false;  // for its turn where the server is busy

  bool operator==(const Order&) const = default;
};
// The server's, while the client waits for its turn. Type 9. Field: 1 ahead u32.
struct Queued {
  std::uint32_t ahead = 0;  // clients that come before it

  bool operator==(const Queued&) const = default;
};
// The server's: the request is granted, the offers come next. Type 10, no fields.
struct Admitted {
  bool operator==(const Admitted&) const = default;
};

// In a duplex the sender's of either direction, behind the bytes that it means: it wants to hear, by
// Committed, when the first `length` bytes have been consumed. Type 11. Field: 1 length u64.
struct Sync {
  std::uint64_t length = 0;

  bool operator==(const Sync&) const = default;
};

using Message =
    std::variant<Offer, End, Committed, Failed, Bye, Note, Working, Order, Queued, Admitted, Sync>;

void encode(const Message& message, std::vector<std::byte>& out);  // appended; longer texts are cut

// Takes messages off a byte stream that arrives in pieces. Between calls of next() that give nothing it holds
// less than one message.
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
