// Datagrams of the C ABI.
#include <rdpipe/rdpipe.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "rdpipe/c_options.h"
#include "rdpipe/c_result.h"
#include "rdpipe/datagram_endpoint.h"
#include "rdpipe/fabric_options.h"

using rdpipe::DatagramAddress;
using rdpipe::DatagramCounts;
using rdpipe::DatagramEndpoint;
using rdpipe::DatagramEndpointOptions;
using rdpipe::deadline_in;
using rdpipe::errno_of;
using rdpipe::Error;
using rdpipe::fail_with;
using rdpipe::guarded;
using rdpipe::IncomingDatagram;
using rdpipe::kLongestChain;
using rdpipe::OutgoingDatagram;
using rdpipe::require_pointer;
using rdpipe::Status;

struct rdpipe_datagram {
  explicit rdpipe_datagram(const DatagramEndpointOptions& options) : endpoint(options) {}
  DatagramEndpoint endpoint;
  std::vector<IncomingDatagram> came;
  // What one call sends; nothing of it is kept from call to call.
  std::array<DatagramAddress, kLongestChain> addresses{};
  std::array<OutgoingDatagram, kLongestChain> out{};
};

namespace {

constexpr std::size_t kMostAtOnce = 4096;  // received by one call

// --- What an address is inside. Padded with zeros, so that equal ones are equal bytes.
struct AddressBytes {
  rdpipe::Gid gid;
  std::uint16_t lid;
  std::uint8_t service_level, source_index, global;
  std::uint8_t form;  // kForm; 0 is nobody's
  std::uint16_t zero;
  std::uint32_t queue_pair, key;
  std::array<std::byte, 32> zeros;
};
static_assert(sizeof(AddressBytes) == sizeof(rdpipe_address) &&
              std::has_unique_object_representations_v<AddressBytes>);
constexpr std::uint8_t kForm = 1;

void write_address(rdpipe_address& to, const DatagramAddress& from) {
  AddressBytes bytes{};
  bytes.gid = from.path.gid;
  bytes.lid = from.path.lid;
  bytes.service_level = from.path.service_level;
  bytes.source_index = from.path.source_index;
  bytes.global = from.path.global ? 1 : 0;
  bytes.form = kForm;
  bytes.queue_pair = from.queue_pair;
  bytes.key = from.key;
  std::memcpy(&to, &bytes, sizeof bytes);
}

// False for what is no address.
bool read_address(DatagramAddress& to, const rdpipe_address& from) {
  AddressBytes bytes;
  std::memcpy(&bytes, &from, sizeof bytes);
  to.path = {.gid = bytes.gid,
             .lid = bytes.lid,
             .service_level = bytes.service_level,
             .source_index = bytes.source_index,
             .global = bytes.global != 0};
  to.queue_pair = bytes.queue_pair;
  to.key = bytes.key;
  return bytes.form == kForm;
}

// --- Results
int datagram_errno(const Error& error) noexcept {
  return error.status() == Status::kNetwork ? EIO : errno_of(error);
}
int open_errno(const Error& error) noexcept {
  return error.status() == Status::kEndpoint ? ENODEV : datagram_errno(error);
}
int find_errno(const Error& error) noexcept {
  return error.status() == Status::kEndpoint ? ENOENT : datagram_errno(error);
}
int listen_errno(const Error& error) noexcept {
  return error.status() == Status::kNetwork ? EADDRINUSE : datagram_errno(error);
}

int late(const char* attempt) {
  fail_with(ETIMEDOUT, std::string(attempt) + ": the time is up");
  return -1;
}

// Runs `work` on the endpoint; what it returns is the result.
template <typename Result = int, typename Endpoint, typename Work>
Result with(Endpoint* endpoint, Work work,
            int (*errno_for)(const Error&) noexcept = datagram_errno) noexcept {
  return guarded<Result>(
      -1,
      [&]() -> Result {
        require_pointer(endpoint, "a datagram endpoint");
        return static_cast<Result>(work(*endpoint));
      },
      errno_for);
}

DatagramEndpointOptions endpoint_options(const rdpipe_options* given) {
  const rdpipe_options options = given == nullptr ? rdpipe_options{} : *given;
  DatagramEndpointOptions out;
  out.fabric = rdpipe::fabric_options(options.stream.connection);
  if (out.fabric.choice == rdpipe::FabricChoice::kTcp) {
    throw Error(Status::kUsage, "open a datagram endpoint over TCP", "datagrams are RDMA's alone");
  }
  out.fabric.choice = rdpipe::FabricChoice::kRdma;
  out.max_payload = options.max_payload;
  out.receives = options.receive_buffers;
  out.host = options.name;
  out.busy_poll = options.stream.busy_poll;
  out.notice = rdpipe::notice_of(options.stream.connection);
  return out;
}

// --- Sending
std::string attempt_at(std::size_t index) { return fmt::format("send message {} of a burst", index); }

// 0, or the errno value of what is wrong with the first that is not right, which is said.
int judge(std::span<const rdpipe_message> messages, std::size_t max_payload) {
  DatagramAddress address;
  for (const rdpipe_message& message : messages) {
    const char* wrong = nullptr;
    if (message.data == nullptr || message.size == 0) wrong = "it is empty";
    if (message.reserved[0] != 0 || message.reserved[1] != 0) wrong = "its reserved fields are not 0";
    if (!read_address(address, message.address)) wrong = "its address is none";
    const bool too_long = message.size > max_payload;
    if (wrong == nullptr && !too_long) continue;
    const std::string attempt = attempt_at(static_cast<std::size_t>(&message - messages.data()));
    const int error = wrong == nullptr ? EMSGSIZE : EINVAL;
    fail_with(error, wrong != nullptr ? attempt + ": " + wrong
                                      : fmt::format("{}: it has {} bytes, and {} is the most", attempt,
                                                    message.size, max_payload));
    return error;
  }
  return 0;
}

// At most kLongestChain. Returns how many were taken.
std::size_t send_some(rdpipe_datagram& own, std::span<const rdpipe_message> messages,
                      rdpipe::Deadline deadline) {
  std::size_t count = 0;
  for (const rdpipe_message& message : messages) {
    static_cast<void>(read_address(own.addresses[count], message.address));
    own.out[count] = {.to = &own.addresses[count],
                      .payload = {static_cast<const std::byte*>(message.data), message.size}};
    ++count;
  }
  return own.endpoint.send(std::span(own.out).first(count), deadline);
}

// --- Counters
rdpipe_counters public_counters(const DatagramCounts& counts) {
  rdpipe_counters out{};
  out.sent = counts.sent;
  out.send_errors = counts.send_errors;
  out.unreachable = counts.unreachable;
  out.received = counts.received;
  out.receive_errors = counts.receive_errors;
  out.foreign = counts.foreign;
  out.overruns = counts.ran_empty;
  return out;
}

}  // namespace

rdpipe_datagram* rdpipe_datagram_open(const rdpipe_options* options) {
  return guarded<rdpipe_datagram*>(
      nullptr, [&] { return new rdpipe_datagram(endpoint_options(options)); }, open_errno);
}

void rdpipe_datagram_free(rdpipe_datagram* endpoint) { delete endpoint; }

ssize_t rdpipe_datagram_max_payload(const rdpipe_datagram* endpoint) {
  return with<ssize_t>(endpoint,
                       [](const rdpipe_datagram& own) { return own.endpoint.datagram().max_payload(); });
}

int rdpipe_datagram_listen(rdpipe_datagram* endpoint, const char* port) {
  return with(
      endpoint,
      [&](rdpipe_datagram& own) {
        require_pointer(port, "a port");
        return own.endpoint.listen(port);
      },
      listen_errno);
}

int rdpipe_datagram_add_name(rdpipe_datagram* endpoint, const char* name, const rdpipe_datagram* named) {
  return with(endpoint, [&](rdpipe_datagram& own) {
    require_pointer(name, "a name");
    require_pointer(named, "an endpoint to be named");
    own.endpoint.add_name(name, named->endpoint);
    return 0;
  });
}

int rdpipe_datagram_remove_name(rdpipe_datagram* endpoint, const char* name) {
  return with(endpoint, [&](rdpipe_datagram& own) {
    require_pointer(name, "a name");
    own.endpoint.remove_name(name);
    return 0;
  });
}

ssize_t rdpipe_datagram_find(rdpipe_datagram* endpoint, const char* name, struct rdpipe_address* address,
                             int64_t timeout_ns) {
  return with<ssize_t>(
      endpoint,
      [&](rdpipe_datagram& own) {
        require_pointer(name, "a name");
        require_pointer(address, "a place for the address");
        const auto found = own.endpoint.find(name, deadline_in(timeout_ns));
        write_address(*address, found.address);
        return std::min(found.max_payload, own.endpoint.datagram().max_payload());
      },
      find_errno);
}

ssize_t rdpipe_send_burst(rdpipe_datagram* endpoint, const struct rdpipe_message* messages, size_t count,
                          int64_t timeout_ns) {
  return with<ssize_t>(endpoint, [&](rdpipe_datagram& own) -> ssize_t {
    if (count > 0) require_pointer(messages, "messages to send");
    const std::span all(messages, count);
    if (judge(all, own.endpoint.datagram().max_payload()) != 0) return -1;
    const auto deadline = deadline_in(timeout_ns);
    std::size_t sent = 0;
    while (sent < count) {
      const std::size_t wanted = std::min(count - sent, kLongestChain);
      const std::size_t taken = send_some(own, all.subspan(sent, wanted), deadline);
      sent += taken;
      if (taken < wanted) break;
    }
    return sent > 0 || count == 0 ? static_cast<ssize_t>(sent) : late("send a burst");
  });
}

ssize_t rdpipe_receive_burst(rdpipe_datagram* endpoint, struct rdpipe_message* messages, size_t count,
                             int64_t timeout_ns) {
  return with<ssize_t>(endpoint, [&](rdpipe_datagram& own) -> ssize_t {
    require_pointer(messages, "room for messages");
    if (count == 0) throw Error(Status::kUsage, "receive a burst", "there is no room for a message");
    const std::size_t most = std::min(count, kMostAtOnce);
    if (own.came.size() < most) own.came.resize(most);
    const std::span came = std::span(own.came).first(most);
    const std::size_t received = own.endpoint.receive(came, deadline_in(timeout_ns));
    for (std::size_t i = 0; i < received; ++i) {
      write_address(messages[i].address, came[i].from);
      messages[i].data = came[i].payload.data();
      messages[i].size = came[i].payload.size();
      messages[i].reserved[0] = messages[i].reserved[1] = 0;
    }
    return received > 0 ? static_cast<ssize_t>(received) : late("receive a burst");
  });
}

int rdpipe_datagram_flush(rdpipe_datagram* endpoint, int64_t timeout_ns) {
  return with(endpoint, [&](rdpipe_datagram& own) {
    return own.endpoint.flush(deadline_in(timeout_ns)) ? 0 : late("wait until everything was sent");
  });
}

int rdpipe_datagram_counters(const rdpipe_datagram* endpoint, struct rdpipe_counters* counters, size_t size) {
  return with(endpoint, [&](const rdpipe_datagram& own) {
    require_pointer(counters, "room for the counters");
    const rdpipe_counters now = public_counters(own.endpoint.datagram().counts());
    std::memset(counters, 0, size);  // a program of a later version has more of them
    std::memcpy(counters, &now, std::min(size, sizeof now));
    return 0;
  });
}
