// Echoes datagrams, or sends a burst of 16 to an echo and says what came back:
//   datagram_echo PORT       datagram_echo HOST:PORT/echo
// Build: c++ -std=c++20 datagram_echo.cc $(pkg-config --cflags --libs rdpipe)
#include <array>
#include <cstdio>
#include <rdpipe/rdpipe.hpp>
#include <string>
#include <string_view>

int main(int argc, char** argv) try {
  if (argc != 2) return 1;
  const std::string name = argv[1];
  rdp::Datagram endpoint;
  std::array<rdp::Message, 64> room;
  if (name.find(':') == std::string::npos) {
    std::printf("listening on port %d\n", endpoint.listen(name));
    endpoint.add_name("echo");
    std::fflush(stdout);
    for (;;) endpoint.send(endpoint.receive(room));
  }
  std::array<rdp::Message, 16> burst;
  burst.fill(
      rdp::message_to(endpoint.find(name).address, std::as_bytes(std::span(std::string_view("hello")))));
  endpoint.send(burst);
  std::size_t back = 0;
  try {  // a datagram may be lost: no answer within a second is the end
    while (back < 16) back += endpoint.receive(room, std::chrono::seconds(1)).size();
  } catch (const rdp::Timeout&) {
  }
  std::printf("16 sent, %zu came back\n", back);
  return back == 0 ? 1 : 0;
} catch (const rdp::Error& error) {
  std::fprintf(stderr, "datagram_echo: %s\n", error.what());
  return 1;
}
