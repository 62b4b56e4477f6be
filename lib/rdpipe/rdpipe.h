// rdpipe for other programs: a stream of bytes in each direction over RDMA or TCP, authenticated by a key,
// which ends only where its writer has said so. C11 and C++. Manual: rdpipe_stream(3).
//
// Functions return 0 or a count, or a pointer; -1 or NULL is a failure: errno says which, and
// rdpipe_last_error() in words. A function that may wait takes a limit in nanoseconds: negative for none, 0
// to wait for nothing. ETIMEDOUT says that it has passed, and leaves the stream as good as before; any other
// failure but EINVAL, EPIPE and EBUSY is the end of the stream.
//
// A stream, and a listener, is one thread's at a time; different ones are independent. There is no hidden
// thread: all that a stream does, it does within calls. Signal dispositions are not touched.
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
// NOLINTEND(modernize-use-using)

// One line of UTF-8 about the last failure in this thread; valid until the thread's next call that fails.
RDPIPE_API const char* rdpipe_last_error(void);

// Options, by the tools' long names: rdpipe_options_set(options, "fabric", "rdma"). They are copied by who
// takes them; NULL stands for the defaults.
RDPIPE_API rdpipe_options* rdpipe_options_new(void);
RDPIPE_API int rdpipe_options_set(rdpipe_options* options, const char* name, const char* value);
// `notice` hears what a user may want to know ("using TCP: no RDMA device"), one line at a time, in the
// thread and within the calls of the listener or of rdpipe_connect().
RDPIPE_API int rdpipe_options_on_notice(rdpipe_options* options,
                                        void (*notice)(const char* line, void* context), void* context);
RDPIPE_API void rdpipe_options_free(rdpipe_options* options);

// Port "0": a free one, which rdpipe_listener_port() tells.
RDPIPE_API rdpipe_listener* rdpipe_listen(const char* port, const char* key, const rdpipe_options* options);
RDPIPE_API int rdpipe_listener_port(const rdpipe_listener* listener);
// The next stream of somebody who knows the key.
RDPIPE_API rdpipe_stream* rdpipe_accept(rdpipe_listener* listener, int64_t timeout_ns);
RDPIPE_API void rdpipe_listener_close(rdpipe_listener* listener);
// Tries until the time is up.
RDPIPE_API rdpipe_stream* rdpipe_connect(const char* host, const char* port, const char* key,
                                         const rdpipe_options* options, int64_t timeout_ns);

// At least 1 byte, as many as there are; 0 only at the real end, which the peer has said and whose counts
// agree.
RDPIPE_API ssize_t rdpipe_read(rdpipe_stream* stream, void* into, size_t size, int64_t timeout_ns);
// All of it; or what was taken when the time was up, at least 1 byte. What was taken is on its way.
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

// Which of `events` are possible without waiting, at least one. For one thread that reads and writes.
RDPIPE_API int rdpipe_wait(rdpipe_stream* stream, int events, int64_t timeout_ns);

// Without copying: memory to write into, whose size is returned, and then how much of it is to be sent (0:
// none). In between nothing else may be written.
RDPIPE_API ssize_t rdpipe_write_slot(rdpipe_stream* stream, void** memory, int64_t timeout_ns);
RDPIPE_API int rdpipe_write_commit(rdpipe_stream* stream, size_t length);
// The next bytes where they arrived, and their number, 0 only at the real end; theirs until the release,
// which consumes them (not due at the end). In between nothing else may be read.
RDPIPE_API ssize_t rdpipe_read_slot(rdpipe_stream* stream, const void** memory, int64_t timeout_ns);
RDPIPE_API int rdpipe_read_release(rdpipe_stream* stream);

// The peer's host name, as it calls itself, and what carries the stream: "RDMA" or "TCP". Valid as long as
// the stream.
RDPIPE_API const char* rdpipe_peer(const rdpipe_stream* stream);
RDPIPE_API const char* rdpipe_fabric(const rdpipe_stream* stream);

#ifdef __cplusplus
}
#endif
