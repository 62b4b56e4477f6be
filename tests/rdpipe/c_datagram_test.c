// Datagrams of the C ABI, from C: what they promise, and what each call answers where it cannot.
//   c_datagrams [HOST]
// HOST is an address of this host's RDMA device; without it only what needs no device.
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <pthread.h>
#include <rdpipe/rdpipe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
#define SAYS(text) CHECK(strstr(rdpipe_last_error(), (text)) != NULL)

static const int64_t brief = 50000000, patience = 60000000000;
enum { kBurst = 64, kBursts = 128, kSize = 600 };

static const char* host;

// --- Without a device

static void check_arguments(void) {
  struct rdpipe_message message = {0};
  struct rdpipe_address address;
  struct rdpipe_counters counters;
  rdpipe_options* options = rdpipe_options_new();
  CHECK(sizeof message == 96 && sizeof address == 64);
  FAILS_WITH(EINVAL, rdpipe_send_burst(NULL, &message, 1, 0) == -1);
  FAILS_WITH(EINVAL, rdpipe_receive_burst(NULL, &message, 1, 0) == -1);
  FAILS_WITH(EINVAL, rdpipe_datagram_find(NULL, "a", &address, 0) == -1);
  FAILS_WITH(EINVAL, rdpipe_datagram_listen(NULL, "0") == -1);
  FAILS_WITH(EINVAL, rdpipe_datagram_add_name(NULL, "a", NULL) == -1);
  FAILS_WITH(EINVAL, rdpipe_datagram_remove_name(NULL, "a") == -1);
  FAILS_WITH(EINVAL, rdpipe_datagram_max_payload(NULL) == -1);
  FAILS_WITH(EINVAL, rdpipe_datagram_flush(NULL, 0) == -1);
  FAILS_WITH(EINVAL, rdpipe_datagram_counters(NULL, &counters, sizeof counters) == -1);
  rdpipe_datagram_free(NULL);
  FAILS_WITH(EINVAL, rdpipe_options_set(options, "max-payload", "0") == -1);
  FAILS_WITH(EINVAL, rdpipe_options_set(options, "receive-buffers", "31") == -1);
  CHECK(rdpipe_options_set(options, "max-payload", "1k") == 0);
  CHECK(rdpipe_options_set(options, "receive-buffers", "64") == 0);
  CHECK(rdpipe_options_set(options, "name", "alpha") == 0);
  CHECK(rdpipe_options_set(options, "fabric", "tcp") == 0);
  FAILS_WITH(EINVAL, rdpipe_datagram_open(options) == NULL);
  SAYS("RDMA");
  rdpipe_options_free(options);
}

static void check_no_device(void) {
  rdpipe_options* options = rdpipe_options_new();
  if (access("/sys/class/infiniband", F_OK) != 0) {
    FAILS_WITH(ENODEV, rdpipe_datagram_open(NULL) == NULL);
    SAYS("this host has no RDMA device");
  }
  CHECK(rdpipe_options_set(options, "device", "nosuch0") == 0);
  FAILS_WITH(ENODEV, rdpipe_datagram_open(options) == NULL);
  rdpipe_options_free(options);
}

// --- An endpoint that echoes, on a thread of its own

struct echo {
  rdpipe_datagram *endpoint, *second;  // the first listens and answers for both
  int port;
  atomic_bool over;
  pthread_t thread;
};

static void* run_echo(void* argument) {
  struct echo* echo = argument;
  struct rdpipe_message messages[kBurst];
  while (!echo->over) {
    const ssize_t count = rdpipe_receive_burst(echo->endpoint, messages, kBurst, brief);
    CHECK(count > 0 || errno == ETIMEDOUT);
    if (count > 0) CHECK(rdpipe_send_burst(echo->endpoint, messages, (size_t)count, patience) == count);
  }
  return NULL;
}

static void start_echo(struct echo* echo) {
  echo->endpoint = rdpipe_datagram_open(NULL);
  echo->second = rdpipe_datagram_open(NULL);
  CHECK(echo->endpoint != NULL && echo->second != NULL);
  FAILS_WITH(EINVAL, rdpipe_datagram_add_name(echo->endpoint, "a", echo->endpoint) == -1);  // does not listen
  FAILS_WITH(EINVAL, rdpipe_datagram_listen(echo->endpoint, "no such port") == -1);
  echo->port = rdpipe_datagram_listen(echo->endpoint, "0");
  CHECK(echo->port > 0);
  FAILS_WITH(EINVAL, rdpipe_datagram_listen(echo->endpoint, "0") == -1);
  char port[16];
  snprintf(port, sizeof port, "%d", echo->port);
  FAILS_WITH(EADDRINUSE, rdpipe_datagram_listen(echo->second, port) == -1);
  FAILS_WITH(EINVAL, rdpipe_datagram_add_name(echo->endpoint, "", echo->endpoint) == -1);
  CHECK(rdpipe_datagram_add_name(echo->endpoint, "echo", echo->endpoint) == 0);
  CHECK(rdpipe_datagram_add_name(echo->endpoint, "second", echo->second) == 0);
  CHECK(rdpipe_datagram_add_name(echo->endpoint, "gone", echo->second) == 0);
  CHECK(rdpipe_datagram_remove_name(echo->endpoint, "gone") == 0);
  echo->over = false;
  CHECK(pthread_create(&echo->thread, NULL, run_echo, echo) == 0);
}

static void stop_echo(struct echo* echo) {
  echo->over = true;
  CHECK(pthread_join(echo->thread, NULL) == 0);
  rdpipe_datagram_free(echo->endpoint);
  rdpipe_datagram_free(echo->second);
}

static ssize_t find(rdpipe_datagram* endpoint, const struct echo* echo, const char* name,
                    struct rdpipe_address* address, int64_t timeout_ns) {
  char text[200];
  snprintf(text, sizeof text, "%s:%d/%s", host, echo->port, name);
  return rdpipe_datagram_find(endpoint, text, address, timeout_ns);
}

// --- Finding

static void check_find(rdpipe_datagram* endpoint, const struct echo* echo, struct rdpipe_address* address) {
  struct rdpipe_address other, again;
  FAILS_WITH(EINVAL, rdpipe_datagram_find(endpoint, NULL, &other, patience) == -1);
  FAILS_WITH(EINVAL, rdpipe_datagram_find(endpoint, "", &other, patience) == -1);
  FAILS_WITH(ENOENT, find(endpoint, echo, "nobody", &other, patience) == -1);
  SAYS("nobody");
  FAILS_WITH(ENOENT, find(endpoint, echo, "gone", &other, patience) == -1);
  // A host that is not there, or no name service that knows.
  CHECK(rdpipe_datagram_find(endpoint, "no-such-host.invalid", &other, patience) == -1);
  CHECK(errno == ENOENT || errno == EIO);
  SAYS("no-such-host.invalid");
  FAILS_WITH(ETIMEDOUT, find(endpoint, echo, "echo", &other, 0) == -1);
  CHECK(find(endpoint, echo, "echo", address, patience) == rdpipe_datagram_max_payload(endpoint));
  CHECK(find(endpoint, echo, "echo", &again, patience) > 0);
  CHECK(memcmp(address, &again, sizeof again) == 0);
  CHECK(find(endpoint, echo, "second", &other, patience) > 0);
  CHECK(memcmp(address, &other, sizeof other) != 0);
  // One of less room says so.
  rdpipe_options* options = rdpipe_options_new();
  CHECK(rdpipe_options_set(options, "max-payload", "100") == 0);
  rdpipe_datagram* small = rdpipe_datagram_open(options);
  CHECK(small != NULL && rdpipe_datagram_max_payload(small) == 100);
  CHECK(find(small, echo, "echo", &again, patience) == 100);
  rdpipe_datagram_free(small);
  rdpipe_options_free(options);
}

// --- What is refused, of which nothing is sent

static void check_refusals(rdpipe_datagram* endpoint, const struct rdpipe_address* address) {
  const size_t most = (size_t)rdpipe_datagram_max_payload(endpoint);
  CHECK(most >= 256);
  char* payload = calloc(1, most + 1);
  struct rdpipe_message messages[2] = {{*address, payload, 1, {0}}, {*address, payload, most + 1, {0}}};
  FAILS_WITH(EMSGSIZE, rdpipe_send_burst(endpoint, messages, 2, patience) == -1);
  SAYS("message 1");
  messages[1] = (struct rdpipe_message){*address, payload, 0, {0}};
  FAILS_WITH(EINVAL, rdpipe_send_burst(endpoint, messages, 2, patience) == -1);
  messages[1] = (struct rdpipe_message){*address, NULL, 1, {0}};
  FAILS_WITH(EINVAL, rdpipe_send_burst(endpoint, messages, 2, patience) == -1);
  messages[1] = (struct rdpipe_message){*address, payload, 1, {0, 1}};
  FAILS_WITH(EINVAL, rdpipe_send_burst(endpoint, messages, 2, patience) == -1);
  messages[1] = (struct rdpipe_message){{{0}}, payload, 1, {0}};
  FAILS_WITH(EINVAL, rdpipe_send_burst(endpoint, messages, 2, patience) == -1);
  FAILS_WITH(EINVAL, rdpipe_send_burst(endpoint, NULL, 2, patience) == -1);
  CHECK(rdpipe_send_burst(endpoint, NULL, 0, patience) == 0);
  FAILS_WITH(EINVAL, rdpipe_receive_burst(endpoint, messages, 0, patience) == -1);
  FAILS_WITH(EINVAL, rdpipe_receive_burst(endpoint, NULL, 2, patience) == -1);
  FAILS_WITH(ETIMEDOUT, rdpipe_receive_burst(endpoint, messages, 2, brief) == -1);
  FAILS_WITH(ETIMEDOUT, rdpipe_receive_burst(endpoint, messages, 2, 0) == -1);
  struct rdpipe_counters counters = {.sent = 1};
  CHECK(rdpipe_datagram_counters(endpoint, &counters, sizeof counters) == 0 && counters.sent == 0);
  // The longest comes back whole.
  memset(payload, 7, most);
  messages[0].size = most;
  CHECK(rdpipe_send_burst(endpoint, messages, 1, patience) == 1);
  CHECK(rdpipe_receive_burst(endpoint, messages, 2, patience) == 1);
  CHECK(messages[0].size == most && memcmp(messages[0].data, payload, most) == 0);
  CHECK(memcmp(&messages[0].address, address, sizeof *address) == 0);
  free(payload);
}

// --- Bursts of 1 to 64, there and back

static void put_number(char* payload, size_t size, uint32_t number) {
  memset(payload, (int)(number & 0x7f), size);
  memcpy(payload, &number, sizeof number);
}

// Takes what has come, until `wanted` are back.
static void take_back(rdpipe_datagram* endpoint, bool* back, uint32_t sent, uint32_t* count,
                      uint32_t wanted) {
  struct rdpipe_message messages[kBurst];
  char expected[kSize];
  while (*count < wanted) {
    const ssize_t came = rdpipe_receive_burst(endpoint, messages, kBurst, patience);
    CHECK(came > 0);
    for (ssize_t i = 0; i < came; ++i) {
      uint32_t number = 0;
      CHECK(messages[i].size >= sizeof number && messages[i].size <= kSize);
      memcpy(&number, messages[i].data, sizeof number);
      CHECK(number < sent && !back[number]);
      put_number(expected, messages[i].size, number);
      CHECK(memcmp(messages[i].data, expected, messages[i].size) == 0);
      back[number] = true;
      ++*count;
    }
  }
}

static void check_bursts(rdpipe_datagram* endpoint, const struct rdpipe_address* address) {
  static char payloads[kBurst][kSize];
  static bool back[kBursts * kBurst];
  struct rdpipe_counters before, after;
  CHECK(rdpipe_datagram_counters(endpoint, &before, sizeof before) == 0);
  uint32_t sent = 0, count = 0;
  for (uint32_t burst = 0; burst < kBursts; ++burst) {
    struct rdpipe_message messages[kBurst];
    const uint32_t wanted = 1 + burst % kBurst;
    for (uint32_t i = 0; i < wanted; ++i) {
      const size_t size = i % 2 == 0 ? 64 : kSize;  // within the work request, and not
      put_number(payloads[i], size, sent + i);
      messages[i] = (struct rdpipe_message){*address, payloads[i], size, {0}};
    }
    CHECK(rdpipe_send_burst(endpoint, messages, wanted, patience) == wanted);
    sent += wanted;
    // Nothing loses datagrams within one host but receives that are used up, and there are 512.
    take_back(endpoint, back, sent, &count, sent);
  }
  CHECK(rdpipe_datagram_flush(endpoint, patience) == 0);
  CHECK(rdpipe_datagram_counters(endpoint, &after, sizeof after) == 0);
  CHECK(after.sent - before.sent == sent && after.received - before.received == sent);
  CHECK(after.send_errors == 0 && after.unreachable == 0 && after.receive_errors == 0 && after.foreign == 0);
  printf("%u datagrams in %d bursts, there and back\n", sent, kBursts);
}

// --- Two that look for each other at once, each answering while it looks

struct seeker {
  rdpipe_datagram* endpoint;
  int other_port;
  struct rdpipe_address found;
};

static void* seek(void* argument) {
  struct seeker* seeker = argument;
  char text[200];
  snprintf(text, sizeof text, "%s:%d/me", host, seeker->other_port);
  CHECK(rdpipe_datagram_find(seeker->endpoint, text, &seeker->found, patience) > 0);
  struct rdpipe_message message = {seeker->found, "hello", 5, {0}};
  CHECK(rdpipe_send_burst(seeker->endpoint, &message, 1, patience) == 1);
  CHECK(rdpipe_receive_burst(seeker->endpoint, &message, 1, patience) == 1);
  CHECK(message.size == 5 && memcmp(message.data, "hello", 5) == 0);
  return NULL;
}

static void check_mutual_find(void) {
  struct seeker seekers[2];
  int ports[2];
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) {
    CHECK((seekers[i].endpoint = rdpipe_datagram_open(NULL)) != NULL);
    CHECK((ports[i] = rdpipe_datagram_listen(seekers[i].endpoint, "0")) > 0);
    CHECK(rdpipe_datagram_add_name(seekers[i].endpoint, "me", seekers[i].endpoint) == 0);
  }
  for (int i = 0; i < 2; ++i) seekers[i].other_port = ports[1 - i];
  for (int i = 0; i < 2; ++i) CHECK(pthread_create(&threads[i], NULL, seek, &seekers[i]) == 0);
  for (int i = 0; i < 2; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  for (int i = 0; i < 2; ++i) rdpipe_datagram_free(seekers[i].endpoint);
}

// --- Overrun, and the struct of another version

static void check_counters(rdpipe_datagram* sender, const struct rdpipe_address* second,
                           rdpipe_datagram* receiver) {
  struct rdpipe_message messages[kBurst];
  for (int i = 0; i < kBurst; ++i) messages[i] = (struct rdpipe_message){*second, "x", 1, {0}};
  for (int i = 0; i < 10; ++i) CHECK(rdpipe_send_burst(sender, messages, kBurst, patience) == kBurst);
  CHECK(rdpipe_datagram_flush(sender, patience) == 0);
  ssize_t count, received = 0;
  struct rdpipe_message all[1000];
  while ((count = rdpipe_receive_burst(receiver, all, 1000, 10 * brief)) > 0) received += count;
  CHECK(errno == ETIMEDOUT && received == 512);
  struct {
    struct rdpipe_counters now;
    uint64_t later[2];
  } counters;
  memset(&counters, 0xff, sizeof counters);
  CHECK(rdpipe_datagram_counters(receiver, &counters.now, sizeof counters) == 0);
  CHECK(counters.now.received == 512 && counters.now.overruns >= 1);
  CHECK(counters.later[0] == 0 && counters.later[1] == 0);
  uint64_t first[2] = {0, ~(uint64_t)0};
  CHECK(rdpipe_datagram_counters(sender, (struct rdpipe_counters*)first, sizeof first[0]) == 0);
  CHECK(first[0] > 0 && first[1] == ~(uint64_t)0);
}

static void say(const char* what) { fprintf(stderr, "%s\n", what); }

int main(int argc, char** argv) {
  say("arguments");
  check_arguments();
  say("no device");
  check_no_device();
  if (argc < 2) return puts("ok, without a device"), 0;
  host = argv[1];
  struct echo echo;
  struct rdpipe_address address, second;
  start_echo(&echo);
  rdpipe_datagram* endpoint = rdpipe_datagram_open(NULL);
  CHECK(endpoint != NULL);
  say("names");
  check_find(endpoint, &echo, &address);
  say("refusals");
  check_refusals(endpoint, &address);
  say("bursts");
  check_bursts(endpoint, &address);
  say("two that look for each other");
  check_mutual_find();
  say("counters");
  CHECK(find(endpoint, &echo, "second", &second, patience) > 0);
  check_counters(endpoint, &second, echo.second);
  rdpipe_datagram_free(endpoint);
  stop_echo(&echo);
  puts("ok");
  return 0;
}
