#include "launch/greeting.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr std::string_view kOrders = "RDPIPE PEER ";
constexpr std::string_view kReady = "RDPIPE READY ";
constexpr std::string_view kError = "RDPIPE ERROR ";

// The text up to the next `separator`, which goes too.
std::string_view take_word(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

template <typename T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

bool is_address(std::string_view text) {
  constexpr std::string_view kAllowed = "0123456789abcdefABCDEF.:%-_ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ";
  return !text.empty() && text.front() != '-' && text.size() < 256 &&
         text.find_first_not_of(kAllowed) == std::string_view::npos;
}

Answer parse_ready(std::string_view rest) {
  const std::string_view version = take_word(rest, ' ');
  if (number<int>(version) != kLaunchVersion) return OtherVersion{printable(version, 16)};
  if (auto contact = parse_contact(rest)) return *contact;
  return OtherVersion{"of another kind"};
}

}  // namespace

std::string encode_orders(const Orders& orders) {
  std::string body = orders.key + '\0';
  for (const std::string& word : orders.words) body += word + '\0';
  return fmt::format("{}{} {}\n", kOrders, kLaunchVersion, body.size()) + body;
}

std::size_t parse_orders_line(std::string_view line) {
  if (!line.starts_with(kOrders)) {
    throw Error(Status::kProtocol, "hear from the launcher", "what speaks is no rdcp",
                "--peer is for rdcp itself, which starts it through ssh");
  }
  line.remove_prefix(kOrders.size());
  const std::string_view version = take_word(line, ' ');
  if (number<int>(version) != kLaunchVersion) {
    throw Error(
        Status::kProtocol, "hear from the launcher",
        fmt::format("it launches by protocol {}, this is {}", printable(version, 16), kLaunchVersion));
  }
  const auto length = number<std::size_t>(line);
  if (!length || *length > kMaxOrders) {
    throw Error(Status::kProtocol, "hear from the launcher", "its orders make no sense");
  }
  return *length;
}

Orders parse_orders(std::string_view bytes) {
  if (bytes.empty() || bytes.back() != '\0') {
    throw Error(Status::kProtocol, "hear from the launcher", "its orders are cut off");
  }
  Orders orders;
  orders.key = take_word(bytes, '\0');
  while (!bytes.empty()) orders.words.emplace_back(take_word(bytes, '\0'));
  return orders;
}

std::string contact_text(const Contact& contact) {
  const char* fabrics = contact.rdma && contact.tcp ? "rdma,tcp"
                        : contact.rdma              ? "rdma"
                        : contact.tcp               ? "tcp"
                                                    : "-";
  const std::string addresses =
      contact.addresses.empty() ? "-" : fmt::format("{}", fmt::join(contact.addresses, ","));
  return fmt::format("{} {} {}", contact.port, addresses, fabrics);
}

std::optional<Contact> parse_contact(std::string_view text) {
  Contact contact;
  const auto port = number<std::uint16_t>(take_word(text, ' '));
  std::string_view addresses = take_word(text, ' ');
  if (!port || addresses.empty()) return {};
  contact.port = *port;
  while (!addresses.empty() && addresses != "-") {
    const std::string_view address = take_word(addresses, ',');
    if (!is_address(address) || contact.addresses.size() == kMaxAddresses) return {};
    contact.addresses.emplace_back(address);
  }
  std::string_view fabrics = take_word(text, ' ');  // more words: of a later minor version
  while (!fabrics.empty()) {
    const std::string_view fabric = take_word(fabrics, ',');
    contact.rdma = contact.rdma || fabric == "rdma";
    contact.tcp = contact.tcp || fabric == "tcp";
  }
  return contact;
}

Answer parse_answer(std::string_view line) {
  if (const std::size_t at = line.find(kReady); at != std::string_view::npos) {
    return parse_ready(line.substr(at + kReady.size()));
  }
  const std::size_t at = line.find(kError);
  if (at == std::string_view::npos) return {};
  line.remove_prefix(at + kError.size());
  const auto status = number<int>(take_word(line, ' '));
  if (!status || *status < 1 || *status > 255) return {};
  return Refusal{*status, printable(line)};
}

std::string ready_line(const Contact& contact) {
  return fmt::format("{}{} {}\n", kReady, kLaunchVersion, contact_text(contact));
}

std::string error_line(int status, const std::string& text) {
  return fmt::format("{}{} {}\n", kError, status, printable(text, 2000));
}

}  // namespace rdpipe
