// Fuzzes what strangers and registries say of names, and names as users write them. What is accepted is
// written again as it was; what is refused is refused in a short line.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "datagram/names.h"
#include "ground/error.h"

namespace {

using namespace rdpipe;

using Bytes = std::span<const std::byte>;

void require(bool fact) {
  if (!fact) std::abort();
}

// rdma_cm adds zeros: more may follow.
void require_beginning(const std::vector<std::byte>& written, Bytes of) {
  require(written.size() <= of.size() && std::equal(written.begin(), written.end(), of.begin()));
}

void read_question(Bytes bytes) {
  const auto name = decode_question(bytes);
  if (!name) return;
  require(name->size() <= kLongestName);
  require(decode_question(encode_question(*name)) == name);
}

void read_answer(Bytes bytes) {
  if (const auto answer = decode_answer(bytes)) require_beginning(encode_answer(*answer), bytes);
}

void read_name(std::string_view text) try {
  const EndpointName name = parse_endpoint_name(text);
  require(!name.peer.host.empty() && !name.peer.port.empty() && name.name.size() <= kLongestName);
  if (printable(text) != text) return;  // no host's name
  const EndpointName again = parse_endpoint_name(text_of(name));
  require(again.peer.host == name.peer.host && again.peer.port == name.peer.port && again.name == name.name);
} catch (const Error& error) {
  require(error.status() == Status::kUsage);
  require(std::strlen(error.what()) < 1000);
}

void read_registered(Bytes bytes) {
  const auto entry = decode_registered(bytes);
  if (!entry) return;
  require_beginning(encode_registered(*entry), bytes);
  read_name(entry->where);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  read_question(bytes);
  read_answer(bytes);
  read_registered(bytes);
  read_name({reinterpret_cast<const char*>(data), size});
  return 0;
}
