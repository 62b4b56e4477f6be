// rdpipe for other programs: a stream of bytes in each direction over RDMA or TCP, authenticated by a key,
// which ends only where its writer has said so (manual: rdpipe_stream(3)); and datagrams over RDMA, many at a
// time from and to many peers, which are neither authenticated nor encrypted (rdpipe_datagram_open(3)). C11
// and C++.
//
// Functions return 0 or a count, or a pointer; -1 or NULL is a failure: errno says which, and
// rdpipe_last_error() in words. A function that may wait takes a limit in nanoseconds: negative for none, 0
// to wait for nothing. ETIMEDOUT says that it has passed, and leaves the stream as good as before; any other
// failure but EINVAL, EPIPE and EBUSY is the end of the stream.
//
// A stream, a listener and a datagram endpoint are one thread's at a time; different ones are independent.
// There is no hidden thread: all that they do, they do within calls; only where a datagram endpoint looks up
// names does a thread of its own wait for the answer. Signal dispositions are not touched. No call is a
// cancellation point, and none fails for a signal.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RDPIPE_API __attribute__((visibility("default")))

#define RDPIPE_READABLE 1
#define RDPIPE_WRITABLE 2

// NOLINTBEGIN(modernize-use-using): C
typedef struct rdpipe_options rdpipe_options;
typedef struct rdpipe_listener rdpipe_listener;
typedef struct rdpipe_stream rdpipe_stream;
typedef struct rdpipe_datagram rdpipe_datagram;
// NOLINTEND(modernize-use-using)

// One line of UTF-8 about the last failure in this thread; valid until the thread's next call that fails.
RDPIPE_API const char* rdpipe_last_error(void);

// Options, by the tools' long names: rdpipe_options_set(options, "fabric", "rdma"). They are copied by who
// takes them; NULL stands for the defaults.
RDPIPE_API rdpipe_options* rdpipe_options_new(void);
RDPIPE_API int rdpipe_options_set(rdpipe_options* options, const char* name, const char* value);
// `notice` hears what a user may want to know ("using TCP: no RDMA device"), one line at a time, in the
// thread and within the calls of the listener, of rdpipe_connect() or of the datagram endpoint.
RDPIPE_API int rdpipe_options_on_notice(rdpipe_options* options,
                                        void (*notice)(const char* line, void* context), void* context);
RDPIPE_API void rdpipe_options_free(rdpipe_options* options);

// Port "0": a free one, which rdpipe_listener_port() tells.
RDPIPE_API rdpipe_listener* rdpipe_listen(const char* port, const char* key, const rdpipe_options* options);
RDPIPE_API int rdpipe_listener_port(const rdpipe_listener* listener);
// The next stream of somebody who knows the key.
RDPIPE_API rdpipe_stream* rdpipe_accept(rdpipe_listener* listener, int64_t timeout_ns);
// Its streams stay. NULL is allowed.
RDPIPE_API void rdpipe_listener_free(rdpipe_listener* listener);
// Tries until the time is up.
RDPIPE_API rdpipe_stream* rdpipe_connect(const char* host, const char* port, const char* key,
                                         const rdpipe_options* options, int64_t timeout_ns);

// At least 1 byte, as many as there are; 0 only at the real end, which the peer has said and whose counts
// agree.
RDPIPE_API ssize_t rdpipe_read(rdpipe_stream* stream, void* into, size_t size, int64_t timeout_ns);
// All of it; or what was taken when the time was up, at least 1 byte. What was taken is on its way; unless
// the time was up, when some of it may wait for the next call.
RDPIPE_API ssize_t rdpipe_write(rdpipe_stream* stream, const void* from, size_t size, int64_t timeout_ns);
// Waits until the peer has consumed everything that was written: until its program has been given it by
// rdpipe_read(), or has released it. The peer says so in its next call at the latest.
RDPIPE_API int rdpipe_sync(rdpipe_stream* stream, int64_t timeout_ns);
// Says that nothing more will be written; the peer reads on to the end. Waits for nothing.
RDPIPE_API int rdpipe_shutdown(rdpipe_stream* stream);
// rdpipe_shutdown(), and waits until the peer has consumed everything and has ended its stream too. EBUSY:
// bytes of the peer are here that were not read; read them, and close again.
RDPIPE_API int rdpipe_close(rdpipe_stream* stream, int64_t timeout_ns);
// Without a successful rdpipe_close() before, the peer sees a lost connection. NULL is allowed.
RDPIPE_API void rdpipe_free(rdpipe_stream* stream);

// Which of `events` are possible without waiting, at least one. For one thread that reads and writes. EPIPE:
// to write alone is waited for, after rdpipe_shutdown().
RDPIPE_API int rdpipe_wait(rdpipe_stream* stream, int events, int64_t timeout_ns);

// Without copying: memory to write into, whose size is returned, and then how much of it is to be sent (0:
// none). In between nothing else may be written.
RDPIPE_API ssize_t rdpipe_write_slot(rdpipe_stream* stream, void** memory, int64_t timeout_ns);
RDPIPE_API int rdpipe_write_commit(rdpipe_stream* stream, size_t length);
// The next bytes where they arrived, and their number, 0 only at the real end; valid until the release, which
// consumes them (not due at the end). In between nothing else may be read.
RDPIPE_API ssize_t rdpipe_read_slot(rdpipe_stream* stream, const void** memory, int64_t timeout_ns);
RDPIPE_API int rdpipe_read_release(rdpipe_stream* stream);

// The peer's host name, as it calls itself, and what carries the stream: "RDMA" or "TCP". Valid as long as
// the stream.
RDPIPE_API const char* rdpipe_peer(const rdpipe_stream* stream);
RDPIPE_API const char* rdpipe_fabric(const rdpipe_stream* stream);

// --- Datagrams. They may be lost, and come in another order; those that come are whole, and as they were
// sent. They are NEITHER AUTHENTICATED NOR ENCRYPTED: whoever is on the network may send some, and whoever is
// on their way may read and alter them. RDMA only.
//
// An endpoint sends to many peers and receives from all who know its address. A program has one for each
// thread that sends or receives.

// NOLINTBEGIN(readability-identifier-naming): C
// Whom a datagram is for, or from. A value: it may be copied, kept, and compared with memcmp(); equal ones
// are one endpoint, though one that can be reached in several ways has several. It is of use with every
// endpoint of this host on the same device, and until the peer's endpoint is freed. All zeros is nobody.
struct rdpipe_address {
  uint64_t opaque[8];
};

struct rdpipe_message {
  struct rdpipe_address address;  // whom it is for; whom it is from
  void* data;                     // only read by rdpipe_send_burst()
  size_t size;                    // bytes, at least 1
  uint64_t reserved[2];           // 0
};

struct rdpipe_counters {
  uint64_t sent;            // handed to the device
  uint64_t send_errors;     // of these, those that it did not send
  uint64_t unreachable;     // taken, but not handed to it: nothing leads there
  uint64_t received;        // handed to the program
  uint64_t receive_errors;  // receives that failed
  uint64_t foreign;         // came from something that is no such endpoint, and were dropped
  uint64_t overruns;        // times that all receive buffers were used up: what came then is lost, uncounted
};
// NOLINTEND(readability-identifier-naming)

// Options: device, gid-index, address, ipv4, ipv6, busy-poll, max-payload, receive-buffers, name; fabric as
// long as it is not tcp. ENODEV: there is no RDMA device for it.
RDPIPE_API rdpipe_datagram* rdpipe_datagram_open(const rdpipe_options* options);
// What the device has not sent yet is lost: rdpipe_datagram_flush(). NULL is allowed.
RDPIPE_API void rdpipe_datagram_free(rdpipe_datagram* endpoint);
// Of a datagram that this endpoint sends or receives, in bytes.
RDPIPE_API ssize_t rdpipe_datagram_max_payload(const rdpipe_datagram* endpoint);

// Lets others find this endpoint, and what else it is told to name, at a port ("0": a free one), which is
// returned. Once. From then on it answers them within its calls, whatever they are.
RDPIPE_API int rdpipe_datagram_listen(rdpipe_datagram* endpoint, const char* port);
// `named` is the endpoint itself or another of this process on the same device, whichever thread that belongs
// to. A name that is there already is replaced.
RDPIPE_API int rdpipe_datagram_add_name(rdpipe_datagram* endpoint, const char* name,
                                        const rdpipe_datagram* named);
RDPIPE_API int rdpipe_datagram_remove_name(rdpipe_datagram* endpoint, const char* name);
// `name` is HOST, HOST:PORT or HOST:PORT/NAME; without NAME any that is there. Asks until the time is up, and
// answers others meanwhile. Returns the greatest payload that both ends can take, in bytes.
RDPIPE_API ssize_t rdpipe_datagram_find(rdpipe_datagram* endpoint, const char* name,
                                        struct rdpipe_address* address, int64_t timeout_ns);

// Returns how many were taken: all, or those for which there was room when the time was up, at least 1. Their
// memory is the program's again. EMSGSIZE, EINVAL: one of them is not right, and none was sent.
RDPIPE_API ssize_t rdpipe_send_burst(rdpipe_datagram* endpoint, const struct rdpipe_message* messages,
                                     size_t count, int64_t timeout_ns);
// At least 1, and of those that have come as many as `messages` has room for; fills them in, and returns how
// many. Their memory, which may be written to, is the endpoint's and theirs until the next call of this
// function. They may be sent as they are: that answers them.
RDPIPE_API ssize_t rdpipe_receive_burst(rdpipe_datagram* endpoint, struct rdpipe_message* messages,
                                        size_t count, int64_t timeout_ns);
// Waits until the device has sent everything.
RDPIPE_API int rdpipe_datagram_flush(rdpipe_datagram* endpoint, int64_t timeout_ns);

// Since the endpoint was opened. `size` is that of the struct, which may grow: sizeof *counters.
RDPIPE_API int rdpipe_datagram_counters(const rdpipe_datagram* endpoint, struct rdpipe_counters* counters,
                                        size_t size);

#ifdef __cplusplus
}
#endif
