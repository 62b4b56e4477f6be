// rdpipe.h for C++20, header-only: the same calls with owners and spans. Datagrams are NEITHER AUTHENTICATED
// NOR ENCRYPTED. What fails throws rdp::Error, what
// was not done in time rdp::Timeout, which leaves everything as it was. Threads and meaning are rdpipe.h's.
#pragma once

#include <rdpipe/rdpipe.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

namespace rdp {

// code() is the errno value, what() the text.
class Error : public std::system_error {
 public:
  Error(int error, const char* text) : std::system_error(error, std::generic_category()), text_(text) {}
  [[nodiscard]] const char* what() const noexcept override { return text_.what(); }

 private:
  std::runtime_error text_;  // a text whose copies throw nothing
};
class Timeout : public Error {
 public:
  using Error::Error;
};

using Nanoseconds = std::chrono::nanoseconds;
inline constexpr Nanoseconds kForever{-1};
inline constexpr Nanoseconds kAtOnce{0};

namespace detail {

[[noreturn]] inline void fail() {
  const int error = errno;
  if (error == ETIMEDOUT) throw Timeout(error, rdpipe_last_error());
  throw Error(error, rdpipe_last_error());
}

template <typename Result>
Result check(Result result) {
  if (result < 0) fail();
  return result;
}

template <typename T>
T* check(T* result) {
  if (result == nullptr) fail();
  return result;
}

// Of a text that C can take.
inline const char* c_text(const std::string& text) {
  if (text.find('\0') != std::string::npos) throw Error(EINVAL, "a text has a zero byte in it");
  return text.c_str();
}

template <auto free>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    free(object);
  }
};

}  // namespace detail

class Options {
 public:
  Options() : options_(detail::check(rdpipe_options_new())) {}
  Options& set(const std::string& name, const std::string& value = {}) {
    detail::check(rdpipe_options_set(options_.get(), detail::c_text(name), detail::c_text(value)));
    return *this;
  }
  // These options, and what they are given to, must not outlive what `notice` refers to. It does not throw.
  Options& on_notice(void (*notice)(const char* line, void* context), void* context = nullptr) {
    detail::check(rdpipe_options_on_notice(options_.get(), notice, context));
    return *this;
  }
  [[nodiscard]] const rdpipe_options* get() const { return options_.get(); }

 private:
  std::unique_ptr<rdpipe_options, detail::Free<&rdpipe_options_free>> options_;
};

// One that is destroyed without close() is broken off: the peer sees a lost connection, not an end.
class Stream {
 public:
  explicit Stream(rdpipe_stream* stream) : stream_(stream) {}  // owns it

  // At least 1 byte; 0 only at the real end.
  [[nodiscard]] std::size_t read(std::span<std::byte> into, Nanoseconds limit = kForever) {
    return count(rdpipe_read(stream_.get(), into.data(), into.size(), limit.count()));
  }
  // All of it; less, and at least 1 byte, when the time is up.
  std::size_t write(std::span<const std::byte> from, Nanoseconds limit = kForever) {
    return count(rdpipe_write(stream_.get(), from.data(), from.size(), limit.count()));
  }
  void sync(Nanoseconds limit = kForever) { detail::check(rdpipe_sync(stream_.get(), limit.count())); }
  void shutdown() { detail::check(rdpipe_shutdown(stream_.get())); }
  void close(Nanoseconds limit = kForever) { detail::check(rdpipe_close(stream_.get(), limit.count())); }
  // Of RDPIPE_READABLE and RDPIPE_WRITABLE.
  [[nodiscard]] int wait(int events, Nanoseconds limit = kForever) {
    return detail::check(rdpipe_wait(stream_.get(), events, limit.count()));
  }

  // Without copying.
  [[nodiscard]] std::span<std::byte> write_slot(Nanoseconds limit = kForever) {
    void* memory = nullptr;
    const std::size_t size = count(rdpipe_write_slot(stream_.get(), &memory, limit.count()));
    return {static_cast<std::byte*>(memory), size};
  }
  void commit(std::size_t length) { detail::check(rdpipe_write_commit(stream_.get(), length)); }
  [[nodiscard]] std::span<const std::byte> read_slot(Nanoseconds limit = kForever) {
    const void* memory = nullptr;
    const std::size_t size = count(rdpipe_read_slot(stream_.get(), &memory, limit.count()));
    return {static_cast<const std::byte*>(memory), size};
  }
  void release() { detail::check(rdpipe_read_release(stream_.get())); }

  [[nodiscard]] std::string peer() const { return rdpipe_peer(stream_.get()); }
  [[nodiscard]] std::string fabric() const { return rdpipe_fabric(stream_.get()); }

 private:
  static std::size_t count(ssize_t result) { return static_cast<std::size_t>(detail::check(result)); }
  std::unique_ptr<rdpipe_stream, detail::Free<&rdpipe_free>> stream_;
};

class Listener {
 public:
  Listener(const std::string& port, const std::string& key, const Options& options = {})
      : listener_(detail::check(rdpipe_listen(detail::c_text(port), detail::c_text(key), options.get()))) {}
  [[nodiscard]] std::uint16_t port() const {
    return static_cast<std::uint16_t>(detail::check(rdpipe_listener_port(listener_.get())));
  }
  [[nodiscard]] Stream accept(Nanoseconds limit = kForever) {
    return Stream(detail::check(rdpipe_accept(listener_.get(), limit.count())));
  }

 private:
  std::unique_ptr<rdpipe_listener, detail::Free<&rdpipe_listener_free>> listener_;
};

[[nodiscard]] inline Stream connect(const std::string& host, const std::string& port, const std::string& key,
                                    const Options& options = {},
                                    Nanoseconds limit = std::chrono::seconds(10)) {
  return Stream(detail::check(rdpipe_connect(detail::c_text(host), detail::c_text(port), detail::c_text(key),
                                             options.get(), limit.count())));
}

using Address = rdpipe_address;
using Message = rdpipe_message;
using Counters = rdpipe_counters;

// For maps: std::unordered_map<rdp::Address, T, rdp::AddressHash, rdp::AddressEqual>.
struct AddressEqual {
  bool operator()(const Address& a, const Address& b) const noexcept {
    return std::memcmp(&a, &b, sizeof a) == 0;
  }
};
struct AddressHash {
  std::size_t operator()(const Address& address) const noexcept {
    return std::hash<std::string_view>()({reinterpret_cast<const char*>(&address), sizeof address});
  }
};

[[nodiscard]] inline std::span<std::byte> payload(const Message& message) {
  return {static_cast<std::byte*>(message.data), message.size};
}
// Does not own the payload, which is only read.
[[nodiscard]] inline Message message_to(const Address& address, std::span<const std::byte> payload) {
  Message out{};
  out.address = address;
  out.data = const_cast<std::byte*>(payload.data());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  out.size = payload.size();
  return out;
}

class Datagram {
 public:
  explicit Datagram(const Options& options = {})
      : endpoint_(detail::check(rdpipe_datagram_open(options.get()))) {}

  [[nodiscard]] std::size_t max_payload() const {  // bytes
    return count(rdpipe_datagram_max_payload(endpoint_.get()));
  }

  std::uint16_t listen(const std::string& port) {
    return static_cast<std::uint16_t>(detail::check(rdpipe_datagram_listen(endpoint_.get(), port.c_str())));
  }
  void add_name(const std::string& name) { add_name(name, *this); }
  void add_name(const std::string& name, const Datagram& named) {
    detail::check(rdpipe_datagram_add_name(endpoint_.get(), name.c_str(), named.endpoint_.get()));
  }
  void remove_name(const std::string& name) {
    detail::check(rdpipe_datagram_remove_name(endpoint_.get(), name.c_str()));
  }

  struct Found {
    Address address{};
    std::size_t max_payload = 0;  // that both ends can take, bytes
  };
  [[nodiscard]] Found find(const std::string& name, Nanoseconds limit = std::chrono::seconds(10)) {
    Found found;
    found.max_payload =
        count(rdpipe_datagram_find(endpoint_.get(), name.c_str(), &found.address, limit.count()));
    return found;
  }

  // How many were taken: all, or at least 1 when the time is up.
  std::size_t send(std::span<const Message> messages, Nanoseconds limit = kForever) {
    return count(rdpipe_send_burst(endpoint_.get(), messages.data(), messages.size(), limit.count()));
  }
  // Those that have come, at least 1; good until the next call. They are the first of `room`.
  [[nodiscard]] std::span<Message> receive(std::span<Message> room, Nanoseconds limit = kForever) {
    return room.first(count(rdpipe_receive_burst(endpoint_.get(), room.data(), room.size(), limit.count())));
  }
  void flush(Nanoseconds limit = kForever) {
    detail::check(rdpipe_datagram_flush(endpoint_.get(), limit.count()));
  }

  [[nodiscard]] Counters counters() const {
    Counters out{};
    detail::check(rdpipe_datagram_counters(endpoint_.get(), &out, sizeof out));
    return out;
  }

 private:
  static std::size_t count(ssize_t result) { return static_cast<std::size_t>(detail::check(result)); }
  std::unique_ptr<rdpipe_datagram, detail::Free<&rdpipe_datagram_free>> endpoint_;
};

}  // namespace rdp
