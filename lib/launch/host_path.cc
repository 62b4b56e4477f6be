#include "launch/host_path.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <system_error>

#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr std::string_view kScheme = "rdcp://";

[[noreturn]] void reject(const std::string& text, const std::string& cause, const std::string& hint) {
  throw Error(Status::kUsage, fmt::format("'{}'", printable(text)), cause, hint);
}

// Where the host's part ends: its colon; npos where the text is a path.
std::size_t host_end(const std::string& text) {
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::size_t colon = text.find(':');  // behind the user, perhaps within brackets
  const std::size_t at = text.rfind('@', std::min(slash, colon));
  const std::size_t start = at == std::string::npos ? 0 : at + 1;
  if (start < text.size() && text[start] == '[') {
    const std::size_t close = text.find("]:", start);
    if (close != std::string::npos && close < slash) return close + 1;
  }
  return colon < slash ? colon : std::string::npos;
}

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte > 0x20 && byte != 0x7F &&
         std::string_view("'\"`$\\;&|<>(){}[]*?!#/").find(c) == std::string::npos;
}

void require_harmless(const std::string& text, const std::string& word, const char* what) {
  if (word.empty()) reject(text, fmt::format("the {} is empty", what), "a local name with a colon is ./a:b");
  if (word.front() == '-') {
    reject(text, fmt::format("a {} does not begin with '-'", what), "a local name with a colon is ./a:b");
  }
  if (!std::all_of(word.begin(), word.end(), is_plain)) {
    reject(text, fmt::format("the {} has a character that no {} has", what, what),
           "a local name with a colon is ./a:b");
  }
}

std::string without_brackets(const std::string& host) {
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return bracketed ? host.substr(1, host.size() - 2) : host;
}

// "host:7471::data": to a shell a path that begins with "7471::", which hardly any does.
void require_no_port(const std::string& text, const std::string& host, const std::string& path) {
  const std::size_t end = path.find_first_not_of("0123456789");
  if (end == 0 || end == std::string::npos || path.compare(end, 2, "::") != 0) return;
  const std::string port = path.substr(0, end), rest = path.substr(end + 2);
  reject(text, "a port is not written like this",
         printable(fmt::format("of a server: rdcp://{}:{}/{}, or --port={}; a path by way of ssh: {}:./{}",
                               host.substr(host.rfind('@') + 1), port, rest, port, host, path)));
}

// Of `path` as a server's client writes it: beneath the server's directory, however many slashes lead there.
HostPath path_of_server(const std::string& text, const std::string& host, const std::string& path) {
  if (host.find('@') != std::string::npos) {
    reject(text, "a server knows keys, not users", "leave the user out");
  }
  HostPath result;
  result.server = true;
  result.host = without_brackets(host);
  require_harmless(text, result.host, "host");
  const std::size_t start = path.find_first_not_of('/');
  result.path = start == std::string::npos ? "." : path.substr(start);
  return result;
}

std::uint16_t port_of(const std::string& text, std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size() || port == 0) {
    reject(text, "the port is no number from 1 to 65535", "an IPv6 address is put in brackets");
  }
  return port;
}

// What follows "rdcp://".
HostPath parse_url(const std::string& text) {
  const std::string place = text.substr(kScheme.size());
  const std::size_t slash = std::min(place.find('/'), place.size());
  const std::string authority = place.substr(0, slash);
  const std::size_t close = authority.starts_with('[') ? authority.find(']') : std::string::npos;
  const std::size_t colon = authority.find(':', close == std::string::npos ? 0 : close);
  HostPath result = path_of_server(text, authority.substr(0, colon), place.substr(slash));
  if (colon != std::string::npos) {
    result.port = port_of(text, std::string_view(authority).substr(colon + 1));
  }
  return result;
}

}  // namespace

HostPath parse_host_path(const std::string& text) {
  if (text.empty()) reject(text, "an empty name", "");
  if (text.starts_with(kScheme)) return parse_url(text);
  const std::size_t end = host_end(text);
  if (end == std::string::npos) return {.user = {}, .host = {}, .path = text};
  HostPath result;
  result.path = text.substr(end + 1);
  result.host = text.substr(0, end);
  if (result.path.starts_with(':')) return path_of_server(text, result.host, result.path.substr(1));
  require_no_port(text, result.host, result.path);
  if (const std::size_t at = result.host.rfind('@'); at != std::string::npos) {
    result.user = result.host.substr(0, at);
    result.host.erase(0, at + 1);
    require_harmless(text, result.user, "user");
  }
  result.host = without_brackets(result.host);
  require_harmless(text, result.host, "host");
  if (result.path.empty()) result.path = ".";
  return result;
}

std::string expand_home(const std::string& path) {
  if (path.empty() || path.front() != '~') return path;
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string user = path.substr(1, end - 1);
  std::array<char, 16384> memory{};
  passwd entry{};
  passwd* found = nullptr;
  const int error = user.empty() ? ::getpwuid_r(::geteuid(), &entry, memory.data(), memory.size(), &found)
                                 : ::getpwnam_r(user.c_str(), &entry, memory.data(), memory.size(), &found);
  if (error != 0 || found == nullptr || found->pw_dir == nullptr) return path;
  return found->pw_dir + path.substr(end);
}

}  // namespace rdpipe
