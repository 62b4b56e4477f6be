// The module for memcached: what it exports is RegistryModule, nothing else.
#include <libmemcached/memcached.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "datagram/registry_module.h"

namespace {

using rdpipe::RegistryModule;

void copy_text(const char* text, char* error, std::size_t size) { std::snprintf(error, size, "%s", text); }

memcached_st* from(void* registry) { return static_cast<memcached_st*>(registry); }

int verdict(void* registry, memcached_return_t result, char* error, std::size_t size) {
  if (memcached_success(result)) return 0;
  const char* detail = memcached_last_error_message(from(registry));
  copy_text(detail != nullptr ? detail : memcached_strerror(from(registry), result), error, size);
  return -1;
}

void close_registry(void* registry) { memcached_free(from(registry)); }

void* open_registry(const char* servers, unsigned limit_ms, char* error, std::size_t size) {
  memcached_st* made = memcached_create(nullptr);
  memcached_server_list_st list = made == nullptr ? nullptr : memcached_servers_parse(servers);
  if (list == nullptr || !memcached_success(memcached_server_push(made, list))) {
    copy_text("no list of servers", error, size);
    if (list != nullptr) memcached_server_list_free(list);
    if (made != nullptr) memcached_free(made);
    return nullptr;
  }
  memcached_server_list_free(list);
  memcached_behavior_set(made, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT, limit_ms);
  memcached_behavior_set(made, MEMCACHED_BEHAVIOR_POLL_TIMEOUT, limit_ms);
  memcached_behavior_set(made, MEMCACHED_BEHAVIOR_SND_TIMEOUT, limit_ms * 1000ULL);  // microseconds
  memcached_behavior_set(made, MEMCACHED_BEHAVIOR_RCV_TIMEOUT, limit_ms * 1000ULL);
  memcached_behavior_set(made, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
  memcached_behavior_set(made, MEMCACHED_BEHAVIOR_VERIFY_KEY, 1);
  return made;
}

int put(void* registry, const char* name, const void* value, std::size_t value_size, unsigned lifetime_s,
        char* error, std::size_t size) {
  return verdict(registry,
                 memcached_set(from(registry), name, std::strlen(name), static_cast<const char*>(value),
                               value_size, static_cast<time_t>(lifetime_s), 0),
                 error, size);
}

int get(void* registry, const char* name, void* value, std::size_t* value_size, char* error,
        std::size_t size) {
  std::size_t length = 0;
  std::uint32_t flags = 0;
  memcached_return_t result = MEMCACHED_FAILURE;
  char* found = memcached_get(from(registry), name, std::strlen(name), &length, &flags, &result);
  if (result == MEMCACHED_NOTFOUND) return 1;
  if (!memcached_success(result)) return verdict(registry, result, error, size);
  if (found != nullptr) std::memcpy(value, found, std::min(length, *value_size));
  std::free(found);
  *value_size = length;
  return 0;
}

int remove_name(void* registry, const char* name, char* error, std::size_t size) {
  const memcached_return_t result = memcached_delete(from(registry), name, std::strlen(name), 0);
  return result == MEMCACHED_NOTFOUND ? 0 : verdict(registry, result, error, size);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const RegistryModule rdpipe_registry_module;
const RegistryModule rdpipe_registry_module = {  // NOLINT(readability-identifier-naming): a name of C's
    .open = open_registry,
    .close = close_registry,
    .put = put,
    .get = get,
    .remove = remove_name};
