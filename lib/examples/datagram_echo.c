// Echoes datagrams, or sends a burst of 16 to an echo and says what came back:
//   datagram_echo PORT       datagram_echo HOST:PORT/echo
// Build: cc datagram_echo.c $(pkg-config --cflags --libs rdpipe)
#include <rdpipe/rdpipe.h>
#include <stdio.h>
#include <string.h>

static int fail(void) {
  fprintf(stderr, "datagram_echo: %s\n", rdpipe_last_error());
  return 1;
}

int main(int argc, char** argv) {
  struct rdpipe_message messages[64] = {0};
  if (argc != 2) return 1;
  rdpipe_datagram* endpoint = rdpipe_datagram_open(NULL);
  if (endpoint == NULL) return fail();
  if (strchr(argv[1], ':') == NULL) {
    int port = rdpipe_datagram_listen(endpoint, argv[1]);
    if (port < 0 || rdpipe_datagram_add_name(endpoint, "echo", endpoint) != 0) return fail();
    printf("listening on port %d\n", port);
    fflush(stdout);
    for (;;) {
      ssize_t count = rdpipe_receive_burst(endpoint, messages, 64, -1);
      if (count < 0 || rdpipe_send_burst(endpoint, messages, (size_t)count, -1) < 0) return fail();
    }
  }
  if (rdpipe_datagram_find(endpoint, argv[1], &messages[0].address, 10000000000) < 0) return fail();
  for (int i = 0; i < 16; ++i) {
    messages[i] = (struct rdpipe_message){.address = messages[0].address, .data = "hello", .size = 5};
  }
  if (rdpipe_send_burst(endpoint, messages, 16, -1) != 16) return fail();
  ssize_t count = 0, back = 0;  // a datagram may be lost: no answer within a second is the end
  while (back < 16 && (count = rdpipe_receive_burst(endpoint, messages, 64, 1000000000)) > 0) back += count;
  printf("16 sent, %zd came back\n", back);
  rdpipe_datagram_free(endpoint);
  return back == 0 ? fail() : 0;
}
