// What stands between a stream's end and the network where it is asked for: limits of rate, and a buffer.
#pragma once

#include <memory>

#include <rdpipe/options.h>

namespace rdpipe {

class Source;
class Sink;

// `source` at its read rate, behind the buffer, at the network's rate.
[[nodiscard]] std::shared_ptr<Source> with_flow(std::shared_ptr<Source> source, const Options& options);
// `sink` at its write rate, behind the buffer, at the network's rate.
[[nodiscard]] std::shared_ptr<Sink> with_flow(std::shared_ptr<Sink> sink, const Options& options);
// The network's rate alone: of a tree.
[[nodiscard]] std::shared_ptr<Source> at_network_rate(std::shared_ptr<Source> source, const Options& options);
[[nodiscard]] std::shared_ptr<Sink> at_network_rate(std::shared_ptr<Sink> sink, const Options& options);

// Throws Error{kUsage}.
void require_valid_flow(const Options& options);

}  // namespace rdpipe
