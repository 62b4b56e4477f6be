// What a launcher and the rdcp that it has started say to each other before there is a connection: lines, and
// the orders. Pure: text in, values out.
//
// Launcher:  RDPIPE PEER 2 LENGTH\n, then LENGTH bytes: the key and the words, each with a NUL behind it
// Peer:      RDPIPE READY 2 PORT ADDRESS,... FABRIC,...\n    or    RDPIPE ERROR STATUS TEXT\n
// Launcher:  CONNECT PORT ADDRESS,... FABRIC,...\n            or    STREAM connector|listener\n
// Peer:      RDPIPE CONNECTED TEXT\n                          or    RDPIPE UNREACHED TEXT\n      (to CONNECT)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace rdpipe {

constexpr int kLaunchVersion = 2;
constexpr std::size_t kMaxOrders = std::size_t{256} << 20;  // bytes
constexpr std::size_t kMaxLine = 65536;                     // bytes
constexpr std::size_t kMaxAddresses = 64;                   // of one end

// What the launcher wants: the key of the connection, and the words of the command line.
struct Orders {
  std::string key;
  std::vector<std::string> words;
};
[[nodiscard]] std::string encode_orders(const Orders& orders);
// How many bytes follow the line that begins the orders. Throws Error{kProtocol} for anything else.
[[nodiscard]] std::size_t parse_orders_line(std::string_view line);
[[nodiscard]] Orders parse_orders(std::string_view bytes);  // throws Error{kProtocol}

// Where an end can be reached.
struct Contact {
  std::uint16_t port = 0;  // 0: it does not listen
  std::vector<std::string> addresses{};
  bool rdma = false, tcp = false;  // what it listens on
  bool operator==(const Contact&) const = default;
};
[[nodiscard]] std::string contact_text(const Contact& contact);  // "PORT ADDRESS,... FABRIC,..."
[[nodiscard]] std::optional<Contact> parse_contact(std::string_view text);

struct Refusal {
  int status = 0;  // exit status, 1 to 255
  std::string text;
};
struct OtherVersion {
  std::string version;
};
using Answer = std::variant<std::monostate, Contact, Refusal, OtherVersion>;  // monostate: noise
// Of a line that a peer, or the login shell before it, has printed. What stands in front of an answer is
// noise.
[[nodiscard]] Answer parse_answer(std::string_view line);
[[nodiscard]] std::string ready_line(const Contact& contact);
[[nodiscard]] std::string error_line(int status, const std::string& text);

}  // namespace rdpipe
