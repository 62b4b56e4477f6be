// Echoes whatever a client writes, one client after the other:  echo_server PORT KEY [FABRIC]
// Build: c++ -std=c++20 echo_server.cc $(pkg-config --cflags --libs rdpipe)
#include <array>
#include <cstdio>
#include <rdpipe/rdpipe.hpp>

namespace {

void echo(rdp::Stream stream) {
  std::array<std::byte, 65536> buffer;
  while (const std::size_t count = stream.read(buffer)) stream.write(std::span(buffer).first(count));
  stream.close();
  std::printf("%s over %s: done\n", stream.peer().c_str(), stream.fabric().c_str());
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 3) return 1;
  rdp::Options options;
  if (argc > 3) options.set("fabric", argv[3]);
  rdp::Listener listener(argv[1], argv[2], options);
  std::printf("listening on port %d\n", listener.port());
  for (;;) {
    std::fflush(stdout);
    rdp::Stream stream = listener.accept();
    try {
      echo(std::move(stream));
    } catch (const rdp::Error& error) {  // this client's, not the server's
      std::printf("%s\n", error.what());
    }
  }
} catch (const rdp::Error& error) {
  std::fprintf(stderr, "echo_server: %s\n", error.what());
  return 1;
}
