// Echoes whatever a client writes, one client after the other:  echo_server PORT KEY [FABRIC]
// Build: cc echo_server.c $(pkg-config --cflags --libs rdpipe)
#include <rdpipe/rdpipe.h>
#include <stdio.h>

static int fail(void) {
  fprintf(stderr, "echo_server: %s\n", rdpipe_last_error());
  return 1;
}

static int echo(rdpipe_stream* stream) {
  char buffer[65536];
  ssize_t count;
  while ((count = rdpipe_read(stream, buffer, sizeof buffer, -1)) > 0) {
    if (rdpipe_write(stream, buffer, (size_t)count, -1) != count) return -1;
  }
  return count == 0 ? rdpipe_close(stream, -1) : -1;
}

int main(int argc, char** argv) {
  if (argc < 3) return 1;
  rdpipe_options* options = rdpipe_options_new();
  if (argc > 3 && rdpipe_options_set(options, "fabric", argv[3]) != 0) return fail();
  rdpipe_listener* listener = rdpipe_listen(argv[1], argv[2], options);
  if (listener == NULL) return fail();
  printf("listening on port %d\n", rdpipe_listener_port(listener));
  fflush(stdout);
  for (;;) {
    rdpipe_stream* stream = rdpipe_accept(listener, -1);
    if (stream == NULL) return fail();
    printf("%s over %s: ", rdpipe_peer(stream), rdpipe_fabric(stream));
    puts(echo(stream) == 0 ? "done" : rdpipe_last_error());
    fflush(stdout);
    rdpipe_free(stream);
  }
}
