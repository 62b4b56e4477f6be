#include "tree/host.h"

#include <fstream>
#include <span>
#include <string>

#include "ground/secret.h"

namespace rdpipe {
namespace {

Digest128 find_host() {
  Digest128 host{};
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  if (std::getline(file, id) && !id.empty()) return digest_of(std::as_bytes(std::span(id)));
  fill_random(host);
  return host;
}

}  // namespace

const Digest128& this_host() {
  static const Digest128 host = find_host();
  return host;
}

}  // namespace rdpipe
