// A stream by bytes, at both ends of a connection, with nothing but the installed library:
//   bytes receive PORT KEY          prints what arrives
//   bytes send HOST PORT KEY        sends what it reads
// Build: g++ -std=c++20 bytes.cc $(pkg-config --cflags --libs rdpipe)
#include <rdpipe/connection.h>

#include <array>
#include <cstdio>
#include <string_view>

namespace {

void send(const char* host, const char* port, const char* key) {
  auto connection = rdpipe::Connection::connect(host, port, key);
  std::array<std::byte, 65536> buffer;
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), stdin)) {
    connection.write(std::span(buffer).first(count));
  }
  // Without finish() the other end knows that this was not all.
  if (std::ferror(stdin) != 0) throw rdpipe::Error(rdpipe::Status::kFileIo, "read standard input", "failed");
  const rdpipe::Result result = connection.finish();
  std::fprintf(stderr, "%s has all %llu bytes\n", result.peer.c_str(),
               static_cast<unsigned long long>(result.bytes));
}

void receive(const char* port, const char* key) {
  rdpipe::Listener listener(port, key);
  auto connection = listener.accept();
  std::array<std::byte, 65536> buffer;
  bool written = true;
  while (const std::size_t count = connection.read(buffer)) {
    written = written && std::fwrite(buffer.data(), 1, count, stdout) == count;
  }
  if (!written || std::fflush(stdout) != 0) {
    throw rdpipe::Error(rdpipe::Status::kFileIo, "write standard output", "failed");
  }
  std::fprintf(stderr, "that was all\n");
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  try {
    if (what == "send" && argc == 5) {
      send(argv[2], argv[3], argv[4]);
    } else if (what == "receive" && argc == 4) {
      receive(argv[2], argv[3]);
    } else {
      std::fprintf(stderr, "usage: bytes receive PORT KEY | bytes send HOST PORT KEY\n");
      return static_cast<int>(rdpipe::Status::kUsage);
    }
  } catch (const rdpipe::Error& error) {
    std::fprintf(stderr, "bytes: %s\n", error.what());
    return static_cast<int>(error.status());
  }
}
