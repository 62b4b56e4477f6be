#include "rdpipe/serve_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ground/error.h"
#include "ground/units.h"
#include "rdpipe/fabric_options.h"

namespace rdpipe {
namespace {

// The least and the largest that a client has.
std::pair<std::size_t, std::size_t> ring_sizes(const Options& options) {
  return std::minmax({ring_shape(options, Fabric::kRdma).payload_bytes(),
                      ring_shape(options, Fabric::kTcp).payload_bytes()});
}

}  // namespace

void require_valid(const ServeOptions& serve, const Options& options) {
  require_valid(options);
  if (serve.max_clients == 0 || serve.max_clients > kMostServedClients) {
    throw Error(Status::kUsage, "serve",
                fmt::format("clients at once: not between 1 and {}", kMostServedClients));
  }
  if (serve.max_clients_per_key > serve.max_clients) {
    throw Error(
        Status::kUsage, "serve",
        fmt::format("clients of one key: more than {}, which all together may be", serve.max_clients));
  }
  const std::size_t least = ring_sizes(options).first;
  if (serve.memory != 0 && serve.memory < least) {
    throw Error(Status::kUsage, "serve",
                fmt::format("memory of {}: the ring of one client has {}", format_size(serve.memory),
                            format_size(least)));
  }
}

std::size_t memory_for_clients(const ServeOptions& serve, const Options& options) {
  if (serve.memory != 0) return serve.memory;
  return serve.max_clients * ring_shape(options, Fabric::kRdma).payload_bytes();
}

PlaceLimits limits_of(const ServeOptions& serve, const Options& options, std::size_t keys) {
  return place_limits(serve.max_clients, memory_for_clients(serve, options), keys, serve.max_clients_per_key,
                      ring_sizes(options).second);
}

void require_allowed(const ServeOptions& serve, const ServedKey& key, const ServedCopy& wanted) {
  const bool reads = wanted.sends;
  const bool writes = !wanted.sends || wanted.copy.remove_source_files;
  if (reads && !(serve.may_read && key.may_read)) {
    throw Error(Status::kEndpoint, "read there", fmt::format("key '{}' may not", key.name));
  }
  if (writes && !(serve.may_write && key.may_write)) {
    throw Error(Status::kEndpoint, "write there", fmt::format("key '{}' may not", key.name));
  }
}

void confine(const ServeOptions& serve, CopyOptions& copy) {
  copy.unprivileged = !serve.keep_owners && !serve.make_devices;
  if (!serve.keep_owners) copy.owner = copy.group = false;
  if (!serve.make_devices && !copy.unprivileged) copy.devices = false;  // otherwise each fails, with a line
  if (!serve.keep_owners && !copy.unprivileged) copy.xattrs = false;    // among them are capabilities
  copy.drop_special_bits = !serve.keep_special_bits;
  copy.hears_peer = false;
  copy.notice = copy.listed = {};
}

}  // namespace rdpipe
