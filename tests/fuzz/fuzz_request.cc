// Fuzzes what a client that has shown its key says to a server: however its messages are cut they ask for the
// same, and what is understood of the words of an order is a copy within bounds, or refused in a short line.
// The first byte says whether messages follow, as they arrive, or words, in which a byte above 0x7F stands
// for the name of an option; the second how long the pieces are.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "options.h"
#include "serve/request.h"
#include "serve_settings.h"

namespace {

using namespace rdpipe;
using namespace rdpipe::tools;

using Bytes = std::vector<std::byte>;
using Words = std::vector<std::string>;

void require(bool fact) {
  if (!fact) std::abort();
}

Bytes spell(std::span<const std::byte> bytes) {
  static const auto options = options_of(Tool::kCopy);
  Bytes words;
  for (const std::byte byte : bytes) {
    const auto number = static_cast<std::size_t>(byte);
    const std::string name = number < 0x80 ? std::string(1, static_cast<char>(number))
                                           : name_of(*options[(number - 0x80) % options.size()]);
    const auto spelt = std::as_bytes(std::span(name));
    words.insert(words.end(), spelt.begin(), spelt.end());
  }
  return words;
}

Bytes orders_of(std::span<const std::byte> words, std::size_t piece) {
  Bytes out;
  while (!words.empty()) {
    const auto part = words.first(std::min(piece, words.size()));
    words = words.subspan(part.size());
    encode(Order{{part.begin(), part.end()}, words.empty(), false}, out);
  }
  return out;
}

// Nothing where it is no request, or not a whole one.
std::optional<Words> request_in(std::span<const std::byte> bytes, std::size_t piece) try {
  MessageReader reader;
  RequestReader request;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(piece, bytes.size()));
    bytes = bytes.subspan(part.size());
    reader.add(part);
    while (const auto message = reader.next()) {
      const bool whole = request.take(*message);
      const std::size_t size = request.size();
      require(size <= kMaxRequest);
      if (!whole) continue;
      Words words = request.take_words();
      std::size_t again = 0;
      for (const std::string& word : words) again += word.size() + 1;
      require(again == size);
      return words;
    }
  }
  return {};
} catch (const Error& error) {
  require(error.status() == Status::kProtocol);
  return {};
}

void understand(const Words& words) try {
  const ServedCopy wanted = served_copy(words);
  require(wanted.sends ? !wanted.paths.empty() : wanted.paths.size() == 1);
  for (const std::string& path : wanted.paths) require(!path.empty());
  require(wanted.copy.out_format.size() <= 256);
  require(!wanted.sends || !wanted.copy.remove_source_files);
  require(wanted.copy.beneath == -1);
} catch (const Error& error) {
  require(error.status() == Status::kUsage);
  require(std::strlen(error.what()) < 1000);
}

}  // namespace

// What the client's side of request.cc would call, and other tools' keys: they are linked, and never run.
namespace rdpipe {

bool is_short_key(std::string_view /*key*/) { std::abort(); }
void Session::send(const Message& /*message*/) { std::abort(); }
void Session::receive(const Control& /*control*/) { std::abort(); }
std::optional<Message> Session::next() { std::abort(); }
void Loop::wait(Deadline /*deadline*/) { std::abort(); }

}  // namespace rdpipe

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto rest = std::as_bytes(std::span(data, size)).subspan(2);
  const std::size_t piece = data[1] + std::size_t{1};
  const bool are_words = (data[0] & 1) != 0;
  const Bytes messages = are_words ? orders_of(spell(rest), 32 * piece) : Bytes(rest.begin(), rest.end());
  const auto words = request_in(messages, messages.size() + 1);
  require(words == request_in(messages, piece));
  if (!words) return 0;
  understand(*words);
  require(!served_copy({"-t", "--receiver", "--", "x"}).copy.recursive);  // whoever came before
  return 0;
}
