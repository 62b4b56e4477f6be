#include "launch/host_path.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "ground/error.h"

namespace rdpipe {
namespace {

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

}  // namespace

HostPath parse_host_path(const std::string& text) {
  if (text.empty()) reject(text, "an empty name", "");
  const std::size_t end = host_end(text);
  if (end == std::string::npos) return {.user = {}, .host = {}, .path = text};
  HostPath result;
  result.path = text.substr(end + 1);
  result.host = text.substr(0, end);
  if (const std::size_t at = result.host.rfind('@'); at != std::string::npos) {
    result.user = result.host.substr(0, at);
    result.host.erase(0, at + 1);
    require_harmless(text, result.user, "user");
  }
  if (result.host.size() > 2 && result.host.front() == '[' && result.host.back() == ']') {
    result.host = result.host.substr(1, result.host.size() - 2);
  }
  require_harmless(text, result.host, "host");
  if (!result.path.empty() && result.path.front() == ':') {
    reject(text, "rsync daemons ('host::module') are not spoken to",
           "a path that begins with ':' is host:./:x");
  }
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
