#include "rdpipe/flow.h"

#include <utility>

#include "ground/error.h"
#include "ground/units.h"
#include "stream/elastic_sink.h"
#include "stream/elastic_source.h"
#include "stream/paced.h"

namespace rdpipe {
namespace {

std::shared_ptr<Source> paced(std::shared_ptr<Source> source, std::uint64_t rate) {
  if (rate == 0) return source;
  return std::make_shared<PacedSource>(std::move(source), rate);
}

std::shared_ptr<Sink> paced(std::shared_ptr<Sink> sink, std::uint64_t rate) {
  if (rate == 0) return sink;
  return std::make_shared<PacedSink>(std::move(sink), rate);
}

BufferOptions buffer_options(const Options& options) {
  return {.size = options.buffer_size, .start_write = options.start_write, .start_read = options.start_read};
}

}  // namespace

// What a sender writes to, and a receiver reads from, is the network.
std::shared_ptr<Source> with_flow(std::shared_ptr<Source> source, const Options& options) {
  source = paced(std::move(source), options.read_rate);
  if (options.buffer_size > 0) {
    source = std::make_shared<ElasticSource>(std::move(source), buffer_options(options));
  }
  return at_network_rate(paced(std::move(source), options.write_rate), options);
}

std::shared_ptr<Sink> with_flow(std::shared_ptr<Sink> sink, const Options& options) {
  sink = paced(std::move(sink), options.write_rate);
  if (options.buffer_size > 0) {
    sink = std::make_shared<ElasticSink>(std::move(sink), buffer_options(options));
  }
  return at_network_rate(paced(std::move(sink), options.read_rate), options);
}

std::shared_ptr<Source> at_network_rate(std::shared_ptr<Source> source, const Options& options) {
  return paced(std::move(source), options.rate_limit);
}

std::shared_ptr<Sink> at_network_rate(std::shared_ptr<Sink> sink, const Options& options) {
  return paced(std::move(sink), options.rate_limit);
}

void require_valid_flow(const Options& options) {
  const std::size_t size = options.buffer_size;
  if (size > 0 && size < BufferOptions::kLeast) {
    throw Error(Status::kUsage, "buffer of " + format_size(size),
                "below " + format_size(BufferOptions::kLeast));
  }
  const bool has_marks = options.start_write != 0 || options.start_read != 100;
  if (size == 0 && has_marks) {
    throw Error(Status::kUsage, "watermarks", "there is no buffer to fill", "-m makes one");
  }
  if (options.start_write < 0 || options.start_write > 100 || options.start_read < 1 ||
      options.start_read > 100) {
    throw Error(Status::kUsage, "watermarks", "not in per cent");
  }
}

}  // namespace rdpipe
