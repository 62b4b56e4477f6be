// What ib_send_lat measures, of the stream API: half the median round trip of small messages, in
// microseconds.
//   stream_latency serve PORT KEY FABRIC BUSY-POLL
//   stream_latency HOST PORT KEY FABRIC BUSY-POLL BYTES TIMES
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <rdpipe/rdpipe.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

rdp::Options options_of(const char* fabric, const char* busy_poll) {
  rdp::Options options;
  options.set("fabric", fabric).set("busy-poll", busy_poll);
  return options;
}

void read_all(rdp::Stream& stream, std::span<std::byte> into) {
  while (!into.empty()) into = into.subspan(stream.read(into));
}

void serve(rdp::Listener listener) {
  rdp::Stream stream = listener.accept();
  std::vector<std::byte> buffer(65536);
  while (const std::size_t count = stream.read(buffer)) stream.write(std::span(buffer).first(count));
  stream.close();
}

double measure(rdp::Stream stream, std::size_t bytes, int times) {
  std::vector<std::byte> message(bytes, std::byte{7});
  std::vector<double> samples;
  for (int i = -times / 10; i < times; ++i) {
    const auto begin = Clock::now();
    stream.write(message);
    read_all(stream, message);
    const std::chrono::duration<double, std::micro> took = Clock::now() - begin;
    if (i >= 0) samples.push_back(took.count() / 2);
  }
  stream.close();
  std::ranges::sort(samples);
  return samples[samples.size() / 2];
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc == 6 && std::string_view(argv[1]) == "serve") {
    serve(rdp::Listener(argv[2], argv[3], options_of(argv[4], argv[5])));
  } else if (argc == 8) {
    rdp::Stream stream =
        rdp::connect(argv[1], argv[2], argv[3], options_of(argv[4], argv[5]), std::chrono::seconds(30));
    std::printf("%.2f\n", measure(std::move(stream), std::stoul(argv[6]), std::stoi(argv[7])));
  } else {
    return 1;
  }
} catch (const rdp::Error& error) {
  std::fprintf(stderr, "stream_latency: %s\n", error.what());
  return 1;
}
