// Fuzzes what reads frames and messages. Whatever is accepted must be written again as the same value.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "wire/frame.h"
#include "wire/message.h"

namespace {

using namespace rdpipe;

void require(bool fact) {
  if (!fact) std::abort();
}

void read_frame(std::span<const std::byte> bytes) {
  if (bytes.size() < kFrameHeaderSize) return;
  const auto in = bytes.first<kFrameHeaderSize>();
  const auto header = decode_frame(in);
  if (!header) return;
  std::array<std::byte, kFrameHeaderSize> out;
  encode(*header, out);
  require(std::equal(out.begin(), out.end(), in.begin()));
}

std::vector<Message> read_messages(std::span<const std::byte> bytes, std::size_t piece) {
  MessageReader reader;
  std::vector<Message> messages;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(piece, bytes.size()));
    bytes = bytes.subspan(part.size());
    reader.add(part);
    while (auto message = reader.next()) messages.push_back(std::move(*message));
  }
  return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  read_frame(bytes);
  const auto messages = read_messages(bytes, size + 1);
  require(messages == read_messages(bytes, 7));  // however it arrives
  std::vector<std::byte> written;
  for (const auto& message : messages) encode(message, written);
  require(messages == read_messages(written, written.size() + 1));
  return 0;
}
