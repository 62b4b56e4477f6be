// Which addresses of this host another one may reach it at.
#pragma once

#include <string>
#include <vector>

#include "transport/fabric.h"

namespace rdpipe {

// Literals, in the order to try: first where the link is fastest, so that a slow management network comes
// last; `known`, an address that the other host is known to reach (empty: none), before others as fast. Those
// of the loopback interface only where there are no others, or where `known` is one. Link-local ones of IPv6,
// which mean nothing elsewhere, are left out.
[[nodiscard]] std::vector<std::string> own_addresses(AddressFamily family, const std::string& known);

}  // namespace rdpipe
