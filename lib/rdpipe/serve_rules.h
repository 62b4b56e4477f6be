// What a server requires of those who start it, and of what a client asks for. No state.
#pragma once

#include <cstddef>

#include <rdpipe/options.h>
#include <rdpipe/serve.h>

#include "serve/places.h"

namespace rdpipe {

// Throws Error{kUsage}.
void require_valid(const ServeOptions& serve, const Options& options);

// For the rings of all clients together, bytes.
[[nodiscard]] std::size_t memory_for_clients(const ServeOptions& serve, const Options& options);
// With so many keys.
[[nodiscard]] PlaceLimits limits_of(const ServeOptions& serve, const Options& options, std::size_t keys);

// Throws Error{kEndpoint} for what `key` may not do here.
void require_allowed(const ServeOptions& serve, const ServedKey& key, const ServedCopy& wanted);

// Leaves out of `copy` what no client can have here.
void confine(const ServeOptions& serve, CopyOptions& copy);

}  // namespace rdpipe
