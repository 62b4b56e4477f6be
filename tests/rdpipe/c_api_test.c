// The C ABI, from C: what it promises, and what each call answers where it cannot.
//   c_api [HOST FABRIC]
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <pthread.h>
#include <rdpipe/rdpipe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(fact)                                                                                        \
  do {                                                                                                     \
    if (!(fact)) {                                                                                         \
      fprintf(stderr, "%s:%d: not so: %s (errno %d, last error '%s')\n", __FILE__, __LINE__, #fact, errno, \
              rdpipe_last_error());                                                                        \
      exit(1);                                                                                             \
    }                                                                                                      \
  } while (0)
#define FAILS_WITH(error, call) \
  CHECK(((errno = 0), (call)) && errno == (error) && rdpipe_last_error()[0] != '\0')

static const char* const key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static const int64_t brief = 50000000, patience = 60000000000;
static const char* host = "127.0.0.1";
static rdpipe_options* options;
static char port[16];

struct call {
  const char* key;
  rdpipe_stream* stream;
  int error;
};

static void* dial(void* argument) {
  struct call* call = argument;
  call->stream = rdpipe_connect(host, port, call->key, options, patience);
  call->error = errno;
  return NULL;
}

static void count_line(const char* line, void* context) {
  CHECK(line[0] != '\0' && strchr(line, '\n') == NULL);
  ++*(int*)context;
}

// What comes next, and how many seconds have passed.
static void say(const char* what) {
  static struct timespec begin;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  if (begin.tv_sec == 0) begin = now;
  fprintf(stderr, "%ld s: %s\n", (long)(now.tv_sec - begin.tv_sec), what);
}

static void check_options(void) {
  FAILS_WITH(EINVAL, rdpipe_options_set(options, "no-such-option", "1") == -1);
  FAILS_WITH(EINVAL, rdpipe_options_set(options, "ring", "many") == -1);
  FAILS_WITH(EINVAL, rdpipe_options_set(options, "ring", "4x") == -1);
  FAILS_WITH(EINVAL, rdpipe_options_set(options, "encrypt", "yes") == -1);
  FAILS_WITH(EINVAL, rdpipe_options_set(options, "fabric", "token-ring") == -1);
  FAILS_WITH(EINVAL, rdpipe_options_set(options, "keep-alive", "0") == -1);
  FAILS_WITH(EINVAL, rdpipe_options_set(options, "gid-index", "3.7") == -1);
  FAILS_WITH(EINVAL, rdpipe_options_set(NULL, "ring", "1M") == -1);
  CHECK(rdpipe_options_set(options, "ring", "64k") == 0);
  CHECK(rdpipe_options_set(options, "slot", "32k") == 0);
  FAILS_WITH(EINVAL, rdpipe_listen("0", key, options) == NULL);  // less than four slots
  CHECK(rdpipe_options_set(options, "slot", "16k") == 0);
  CHECK(rdpipe_options_set(options, "busy-poll", "20") == 0);
  FAILS_WITH(EINVAL, rdpipe_options_set(options, "busy-poll", "automatic") == -1);
  CHECK(rdpipe_options_set(options, "busy-poll", "auto") == 0);
}

static void check_nothing_crashes(void) {
  char byte = 0;
  FAILS_WITH(EINVAL, rdpipe_read(NULL, &byte, 1, 0) == -1);
  FAILS_WITH(EINVAL, rdpipe_write(NULL, &byte, 1, 0) == -1);
  FAILS_WITH(EINVAL, rdpipe_sync(NULL, 0) == -1);
  FAILS_WITH(EINVAL, rdpipe_close(NULL, 0) == -1);
  FAILS_WITH(EINVAL, rdpipe_accept(NULL, 0) == NULL);
  FAILS_WITH(EINVAL, rdpipe_listen(NULL, key, NULL) == NULL);
  FAILS_WITH(EACCES, rdpipe_listen("0", "", NULL) == NULL);
  FAILS_WITH(EINVAL, rdpipe_listen("no such port", key, NULL) == NULL);
  rdpipe_free(NULL);
  rdpipe_listener_free(NULL);
  rdpipe_options_free(NULL);
}

static void pause_briefly(void) {
  const struct timespec span = {0, 1000000};
  nanosleep(&span, NULL);
}

// Without ever waiting, but for at most a minute.
static rdpipe_stream* accept_at_once(rdpipe_listener* listener) {
  rdpipe_stream* stream = NULL;
  for (int tries = 0; stream == NULL && tries < 60000; ++tries) {
    stream = rdpipe_accept(listener, 0);
    CHECK(stream != NULL || errno == ETIMEDOUT);
    pause_briefly();
  }
  return stream;
}

// The stream that `call` gets, and the other end of it.
static rdpipe_stream* join(rdpipe_listener* listener, struct call* call) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, dial, call) == 0);
  static int waits = 0;  // in turns
  rdpipe_stream* stream = (waits = !waits) ? rdpipe_accept(listener, patience) : accept_at_once(listener);
  CHECK(stream != NULL);
  CHECK(pthread_join(thread, NULL) == 0 && call->stream != NULL);
  return stream;
}

static void* close_stream(void* stream) {
  CHECK(rdpipe_close(stream, patience) == 0);
  return NULL;
}

static void* read_in_vain(void* stream) {
  char byte = 0;
  FAILS_WITH(ETIMEDOUT, rdpipe_read(stream, &byte, 1, brief * 10) == -1);
  pthread_testcancel();
  return NULL;
}

// It reaches the thread behind the call.
static void check_cancellation(rdpipe_stream* stream) {
  pthread_t thread;
  void* result = NULL;
  CHECK(pthread_create(&thread, NULL, read_in_vain, stream) == 0);
  for (int i = 0; i < 100; ++i) pause_briefly();
  CHECK(pthread_cancel(thread) == 0);
  CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
}

static void check_stream(rdpipe_listener* listener) {
  struct call call = {key, NULL, 0};
  rdpipe_stream *a = join(listener, &call), *b = call.stream;
  CHECK(strcmp(rdpipe_fabric(a), rdpipe_fabric(b)) == 0 && rdpipe_peer(a)[0] != '\0');
  char buffer[100];
  FAILS_WITH(EINVAL, rdpipe_read(a, buffer, 0, 0) == -1);
  FAILS_WITH(ETIMEDOUT, rdpipe_read(a, buffer, sizeof buffer, brief) == -1);
  FAILS_WITH(ETIMEDOUT, rdpipe_wait(a, RDPIPE_READABLE, brief) == -1);
  FAILS_WITH(EINVAL, rdpipe_wait(a, 0, brief) == -1);
  CHECK(rdpipe_wait(a, RDPIPE_READABLE | RDPIPE_WRITABLE, patience) == RDPIPE_WRITABLE);
  CHECK(rdpipe_write(a, "hello", 5, patience) == 5);
  CHECK(rdpipe_write(a, NULL, 0, patience) == 0);
  check_cancellation(a);
  FAILS_WITH(ETIMEDOUT, rdpipe_sync(a, brief) == -1);
  CHECK(rdpipe_read(b, buffer, sizeof buffer, patience) == 5 && memcmp(buffer, "hello", 5) == 0);
  FAILS_WITH(ETIMEDOUT, rdpipe_read(b, buffer, sizeof buffer, brief) == -1);  // answers meanwhile
  CHECK(rdpipe_sync(a, patience) == 0);

  void* memory = NULL;
  CHECK(rdpipe_write_slot(b, &memory, patience) == 16384);
  memcpy(memory, "in place", 8);
  FAILS_WITH(EINVAL, rdpipe_write_commit(b, 16385) == -1);
  CHECK(rdpipe_write_commit(b, 8) == 0);
  const void* arrived = NULL;
  CHECK(rdpipe_read_slot(a, &arrived, patience) == 8 && memcmp(arrived, "in place", 8) == 0);
  CHECK(rdpipe_read_release(a) == 0);
  FAILS_WITH(EINVAL, rdpipe_read_release(a) == -1);

  CHECK(rdpipe_write(b, "last", 4, patience) == 4);
  CHECK(rdpipe_shutdown(b) == 0);
  FAILS_WITH(EPIPE, rdpipe_write(b, "more", 4, patience) == -1);
  FAILS_WITH(EPIPE, rdpipe_wait(b, RDPIPE_WRITABLE, patience) == -1);
  CHECK(rdpipe_wait(a, RDPIPE_READABLE, patience) == RDPIPE_READABLE);
  FAILS_WITH(EBUSY, rdpipe_close(a, patience) == -1);
  CHECK(rdpipe_read(a, buffer, sizeof buffer, patience) == 4);
  CHECK(rdpipe_read(a, buffer, sizeof buffer, patience) == 0);
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, close_stream, a) == 0);
  CHECK(rdpipe_close(b, patience) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
  rdpipe_free(a);
  rdpipe_free(b);
}

static void check_lost_peer(rdpipe_listener* listener) {
  struct call call = {key, NULL, 0};
  rdpipe_stream* a = join(listener, &call);
  char byte = 0;
  CHECK(rdpipe_write(a, "x", 1, patience) == 1);
  rdpipe_free(call.stream);
  FAILS_WITH(ECONNRESET, rdpipe_sync(a, patience) == -1);
  FAILS_WITH(ECONNRESET, rdpipe_read(a, &byte, 1, patience) == -1);
  FAILS_WITH(ECONNRESET, rdpipe_close(a, patience) == -1);
  rdpipe_free(a);
}

static void check_strangers(rdpipe_listener* listener, const int* notices) {
  struct call call = {"another key than the listener's", NULL, 0};
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, dial, &call) == 0);
  const int before = *notices;
  while (*notices == before) FAILS_WITH(ETIMEDOUT, rdpipe_accept(listener, brief) == NULL);
  FAILS_WITH(ETIMEDOUT, rdpipe_accept(listener, brief) == NULL);
  CHECK(pthread_join(thread, NULL) == 0);
  errno = call.error;
  CHECK(call.stream == NULL && errno == EACCES);
  FAILS_WITH(EADDRINUSE, rdpipe_listen(port, key, options) == NULL);
  rdpipe_listener_free(listener);
  FAILS_WITH(ETIMEDOUT, rdpipe_connect(host, port, key, options, brief) == NULL);
  // The tools and their options mean nothing here.
  CHECK(strstr(rdpipe_last_error(), "rdrecv") == NULL && strstr(rdpipe_last_error(), "--") == NULL);
}

int main(int argc, char** argv) {
  int notices = 0;
  options = rdpipe_options_new();
  CHECK(options != NULL);
  if (argc == 3) host = argv[1];
  CHECK(rdpipe_options_set(options, "fabric", argc == 3 ? argv[2] : "tcp") == 0);
  CHECK(rdpipe_options_on_notice(options, count_line, &notices) == 0);
  say("options");
  check_options();
  say("arguments");
  check_nothing_crashes();
  rdpipe_listener* listener = rdpipe_listen("0", key, options);
  CHECK(listener != NULL);
  snprintf(port, sizeof port, "%d", rdpipe_listener_port(listener));
  say("a stream");
  check_stream(listener);
  say("a lost peer");
  check_lost_peer(listener);
  say("strangers");
  check_strangers(listener, &notices);
  rdpipe_options_free(options);
  puts("ok");
  return 0;
}
