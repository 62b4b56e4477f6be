// Sends standard input to an echo server and prints what comes back:  echo_client HOST PORT KEY [FABRIC]
// Build: cc echo_client.c $(pkg-config --cflags --libs rdpipe)
#include <rdpipe/rdpipe.h>
#include <stdio.h>

static int fail(void) {
  fprintf(stderr, "echo_client: %s\n", rdpipe_last_error());
  return 1;
}

int main(int argc, char** argv) {
  if (argc < 4) return 1;
  rdpipe_options* options = rdpipe_options_new();
  if (argc > 4 && rdpipe_options_set(options, "fabric", argv[4]) != 0) return fail();
  rdpipe_stream* stream = rdpipe_connect(argv[1], argv[2], argv[3], options, 10000000000);
  if (stream == NULL) return fail();
  char out[4096], in[65536];
  size_t size;
  while ((size = fread(out, 1, sizeof out, stdin)) > 0) {
    if (rdpipe_write(stream, out, size, -1) < 0) return fail();
    for (size_t back = 0; back < size;) {
      ssize_t count = rdpipe_read(stream, in, sizeof in, -1);
      if (count <= 0) return fail();
      fwrite(in, 1, (size_t)count, stdout);
      back += (size_t)count;
    }
  }
  // Without this the server knows that it was not all.
  if (ferror(stdin) || rdpipe_close(stream, -1) != 0) return fail();
  rdpipe_free(stream);
  rdpipe_options_free(options);
  return 0;
}
