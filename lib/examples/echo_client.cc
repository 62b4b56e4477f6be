// Sends standard input to an echo server and prints what comes back:  echo_client HOST PORT KEY [FABRIC]
// Build: c++ -std=c++20 echo_client.cc $(pkg-config --cflags --libs rdpipe)
#include <array>
#include <cstdio>
#include <rdpipe/rdpipe.hpp>

int main(int argc, char** argv) try {
  if (argc < 4) return 1;
  rdp::Options options;
  if (argc > 4) options.set("fabric", argv[4]);
  rdp::Stream stream = rdp::connect(argv[1], argv[2], argv[3], options);
  std::array<std::byte, 4096> out;
  std::array<std::byte, 65536> in;
  while (const std::size_t size = std::fread(out.data(), 1, out.size(), stdin)) {
    stream.write(std::span(out).first(size));
    for (std::size_t back = 0; back < size;) {
      const std::size_t count = stream.read(in);
      if (count == 0) return 1;  // the server has ended too early
      std::fwrite(in.data(), 1, count, stdout);
      back += count;
    }
  }
  if (std::ferror(stdin) != 0) return 1;
  stream.close();  // without this the server knows that it was not all
} catch (const rdp::Error& error) {
  std::fprintf(stderr, "echo_client: %s\n", error.what());
  return 1;
}
