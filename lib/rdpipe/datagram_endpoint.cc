#include "rdpipe/datagram_endpoint.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <utility>

#include "datagram/registry.h"
#include "ground/error.h"

namespace rdpipe {
namespace {

// A program that is busy and never sleeps in the loop looks this often whether somebody has asked.
constexpr auto kLook = std::chrono::milliseconds(1);

std::string own_host() {
  std::array<char, 256> own{};
  return ::gethostname(own.data(), own.size() - 1) == 0 ? own.data() : "localhost";
}

}  // namespace

DatagramEndpoint::DatagramEndpoint(DatagramEndpointOptions options)
    : options_(std::move(options)),
      port_(usable_port(options_.fabric)),
      datagram_(loop_, DatagramOptions{.port = port_,
                                       .max_payload = options_.max_payload,
                                       .receives = options_.receives,
                                       .busy_poll = options_.busy_poll}) {}

// --- Names

std::uint16_t DatagramEndpoint::listen(const std::string& port) {
  if (listener_) throw Error(Status::kUsage, "answer for names", "this endpoint does already");
  const std::string url = registry_url();
  if (!url.empty()) registration_.emplace(loop_, url, options_.notice);
  try {
    listener_.emplace(loop_, port, options_.fabric, port_);
  } catch (...) {
    registration_.reset();
    throw;
  }
  return listener_->port();
}

NameListener& DatagramEndpoint::listener(const std::string& name) {
  const std::string attempt = fmt::format("answer for the name '{}'", printable(name));
  if (!listener_) throw Error(Status::kUsage, attempt, "this endpoint listens at no port");
  if (name.empty() || name.size() > kLongestName) {
    throw Error(Status::kUsage, attempt, fmt::format("a name has from 1 to {} bytes", kLongestName));
  }
  return *listener_;
}

std::string DatagramEndpoint::text_at(const std::string& host, const std::string& name) const {
  return text_of({.peer = {host, std::to_string(listener_->port())}, .name = name});
}

std::string DatagramEndpoint::registered(const std::string& name) const {
  return text_at(options_.host.empty() ? own_host() : options_.host, name);
}

void DatagramEndpoint::add_name(const std::string& name, const DatagramEndpoint& named) {
  NameListener& names = listener(name);
  if (named.port_ != port_) {
    throw Error(Status::kUsage, fmt::format("answer for the name '{}'", printable(name)),
                fmt::format("its endpoint is on {}, this one on {}", named.port_.device, port_.device));
  }
  const DatagramIdentity identity = named.datagram_.identity();
  names.add(name, identity);
  if (!registration_) return;
  registration_->add(registered(name), {.where = text_at(host_of(port_, options_.fabric), name),
                                        .queue_pair = identity.queue_pair,
                                        .key = identity.key});
}

void DatagramEndpoint::remove_name(const std::string& name) {
  listener(name).remove(name);
  if (registration_) registration_->remove(registered(name));
}

FoundEndpoint DatagramEndpoint::find(std::string_view text, Deadline deadline) {
  const auto meanwhile = [this] { answer(); };  // two that look for each other find each other
  FoundEndpoint found = find_named(loop_, parse_endpoint_name(text), options_.fabric, deadline, meanwhile);
  if (found.port == port_) return found;
  throw Error(
      Status::kEndpoint, fmt::format("find {}", printable(text)),
      fmt::format("the way there is over {}, and this endpoint is on {}", found.port.device, port_.device),
      "name the device (option device) when the endpoint is opened");
}

// Whoever has asked is answered, also where the program never sleeps.
void DatagramEndpoint::tend() {
  if (!listener_ || !look_again_.passed()) return;
  loop_.poll();
  answer();
  look_again_ = Deadline::in(kLook);
}

void DatagramEndpoint::answer() {
  if (listener_) listener_->poll();
  if (registration_) registration_->renew();
}

// --- Bursts

std::size_t DatagramEndpoint::send(std::span<const OutgoingDatagram> datagrams, Deadline deadline) {
  tend();
  std::size_t sent = 0;
  for (;;) {
    sent += datagram_.send_burst(datagrams.subspan(sent));
    if (sent == datagrams.size()) return sent;
    const bool room = datagram_.await_room(deadline);
    answer();
    if (!room && deadline.passed()) return sent;
  }
}

std::size_t DatagramEndpoint::receive(std::span<IncomingDatagram> into, Deadline deadline) {
  tend();
  for (;;) {
    if (registration_) loop_.wake_at(registration_->next());
    const std::size_t count = datagram_.receive_burst(into, deadline);
    if (count > 0) return count;
    answer();
    if (deadline.passed()) return 0;
  }
}

bool DatagramEndpoint::flush(Deadline deadline) {
  tend();
  return datagram_.flush(deadline);
}

}  // namespace rdpipe
