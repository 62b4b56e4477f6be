// Streams of the C ABI.
#include <rdpipe/rdpipe.h>

#include <memory>
#include <utility>

#include "rdpipe/c_options.h"
#include "rdpipe/c_result.h"
#include "rdpipe/duplex_listener.h"

using rdpipe::deadline_in;
using rdpipe::destroy;
using rdpipe::Duplex;
using rdpipe::DuplexListener;
using rdpipe::DuplexOptions;
using rdpipe::DuplexStream;
using rdpipe::errno_of_stream;
using rdpipe::Error;
using rdpipe::Fabric;
using rdpipe::fail_with;
using rdpipe::guarded;
using rdpipe::options_of;
using rdpipe::require_pointer;
using rdpipe::Status;

struct rdpipe_listener {
  rdpipe_listener(const char* port, const char* key, const DuplexOptions& options)
      : listener(port, key, options) {}
  DuplexListener listener;
};

struct rdpipe_stream {
  std::unique_ptr<DuplexStream> stream;
};

namespace {

rdpipe_stream* wrap(std::unique_ptr<DuplexStream> stream) { return new rdpipe_stream{std::move(stream)}; }

int late(const char* attempt) {
  fail_with(ETIMEDOUT, {attempt, "the time is up"});
  return -1;
}

// Runs `work` on the stream's duplex; what it returns is the result.
template <typename Result = ssize_t, typename Work>
Result with(rdpipe_stream* stream, Work work) noexcept {
  const auto checked = [&]() -> Result {
    require_pointer(stream, "a stream");
    return static_cast<Result>(work(stream->stream->duplex()));
  };
  return guarded<Result>(-1, checked, errno_of_stream);
}

int ended() {
  fail_with(EPIPE, {"write to a stream", "its end was said already"});
  return -1;
}

}  // namespace

rdpipe_listener* rdpipe_listen(const char* port, const char* key, const rdpipe_options* options) {
  return guarded<rdpipe_listener*>(nullptr, [&]() -> rdpipe_listener* {
    require_pointer(port, "a port");
    require_pointer(key, "a key");
    try {
      return new rdpipe_listener(port, key, options_of(options));
    } catch (const Error& error) {
      if (error.status() != Status::kNetwork) throw;
      fail_with(EADDRINUSE, error);
      return nullptr;
    }
  });
}

int rdpipe_listener_port(const rdpipe_listener* listener) {
  return guarded(-1, [&]() -> int {
    require_pointer(listener, "a listener");
    return listener->listener.port();
  });
}

rdpipe_stream* rdpipe_accept(rdpipe_listener* listener, int64_t timeout_ns) {
  return guarded<rdpipe_stream*>(nullptr, [&]() -> rdpipe_stream* {
    require_pointer(listener, "a listener");
    auto stream = listener->listener.accept(deadline_in(timeout_ns));
    if (stream) return wrap(std::move(stream));
    static_cast<void>(late("accept a stream"));
    return nullptr;
  });
}

void rdpipe_listener_free(rdpipe_listener* listener) { destroy(listener); }

rdpipe_stream* rdpipe_connect(const char* host, const char* port, const char* key,
                              const rdpipe_options* options, int64_t timeout_ns) {
  return guarded<rdpipe_stream*>(nullptr, [&] {
    require_pointer(host, "a host");
    require_pointer(port, "a port");
    require_pointer(key, "a key");
    return wrap(DuplexStream::connect(host, port, key, options_of(options), deadline_in(timeout_ns)));
  });
}

ssize_t rdpipe_read(rdpipe_stream* stream, void* into, size_t size, int64_t timeout_ns) {
  return with(stream, [&](Duplex& duplex) -> ssize_t {
    require_pointer(into, "memory to read into");
    const auto count = duplex.read({static_cast<std::byte*>(into), size}, deadline_in(timeout_ns));
    return count ? static_cast<ssize_t>(*count) : late("read from a stream");
  });
}

ssize_t rdpipe_write(rdpipe_stream* stream, const void* from, size_t size, int64_t timeout_ns) {
  return with(stream, [&](Duplex& duplex) -> ssize_t {
    if (size > 0) require_pointer(from, "memory to write from");
    if (duplex.is_shut_down()) return ended();
    const auto count = duplex.write({static_cast<const std::byte*>(from), size}, deadline_in(timeout_ns));
    return count > 0 || size == 0 ? static_cast<ssize_t>(count) : late("write to a stream");
  });
}

int rdpipe_sync(rdpipe_stream* stream, int64_t timeout_ns) {
  return with<int>(stream, [&](Duplex& duplex) {
    return duplex.sync(deadline_in(timeout_ns)) ? 0 : late("wait until the peer has read everything");
  });
}

int rdpipe_shutdown(rdpipe_stream* stream) {
  return with<int>(stream, [&](Duplex& duplex) {
    duplex.shut_down();
    return 0;
  });
}

int rdpipe_close(rdpipe_stream* stream, int64_t timeout_ns) {
  return with<int>(stream, [&](Duplex& duplex) {
    const auto closing = duplex.close(deadline_in(timeout_ns));
    if (closing == Duplex::Closing::kDone) return 0;
    if (closing == Duplex::Closing::kLate) return late("close a stream");
    fail_with(EBUSY, {"close a stream", "bytes of the peer were not read"});
    return -1;
  });
}

void rdpipe_free(rdpipe_stream* stream) { destroy(stream); }

int rdpipe_wait(rdpipe_stream* stream, int events, int64_t timeout_ns) {
  static_assert(RDPIPE_READABLE == Duplex::kReadable && RDPIPE_WRITABLE == Duplex::kWritable);
  return with<int>(stream, [&](Duplex& duplex) {
    constexpr int kAll = RDPIPE_READABLE | RDPIPE_WRITABLE;
    if (events == 0 || (events & ~kAll) != 0) throw Error(Status::kUsage, "wait for a stream", "for what?");
    if (events == RDPIPE_WRITABLE && duplex.is_shut_down()) return ended();
    const unsigned possible = duplex.wait(static_cast<unsigned>(events), deadline_in(timeout_ns));
    return possible != 0 ? static_cast<int>(possible) : late("wait for a stream");
  });
}

ssize_t rdpipe_write_slot(rdpipe_stream* stream, void** memory, int64_t timeout_ns) {
  return with(stream, [&](Duplex& duplex) -> ssize_t {
    require_pointer(memory, "a place for the address");
    if (duplex.is_shut_down()) return ended();
    const auto slot = duplex.write_slot(deadline_in(timeout_ns));
    *memory = slot.data();
    return slot.empty() ? late("write to a stream") : static_cast<ssize_t>(slot.size());
  });
}

int rdpipe_write_commit(rdpipe_stream* stream, size_t length) {
  return with<int>(stream, [&](Duplex& duplex) {
    duplex.commit(length);
    return 0;
  });
}

ssize_t rdpipe_read_slot(rdpipe_stream* stream, const void** memory, int64_t timeout_ns) {
  return with(stream, [&](Duplex& duplex) -> ssize_t {
    require_pointer(memory, "a place for the address");
    const auto slot = duplex.read_slot(deadline_in(timeout_ns));
    *memory = slot ? slot->data() : nullptr;
    return slot ? static_cast<ssize_t>(slot->size()) : late("read from a stream");
  });
}

int rdpipe_read_release(rdpipe_stream* stream) {
  return with<int>(stream, [&](Duplex& duplex) {
    duplex.release();
    return 0;
  });
}

const char* rdpipe_peer(const rdpipe_stream* stream) {
  return stream == nullptr ? "" : stream->stream->peer().c_str();
}

const char* rdpipe_fabric(const rdpipe_stream* stream) {
  if (stream == nullptr) return "";
  return stream->stream->link().fabric == Fabric::kRdma ? "RDMA" : "TCP";
}
