// What a registry's module offers: a table of functions, so that the module needs nothing of this library,
// and programs nothing of what the module needs. All sleep, for at most the time that open() was given; one
// thread at a time. They return 0, or -1 with one line of text in `error`.
#pragma once

#include <cstddef>

namespace rdpipe {

struct RegistryModule {
  void* (*open)(const char* servers, unsigned limit_ms, char* error, std::size_t error_size);
  void (*close)(void* registry);
  int (*put)(void* registry, const char* name, const void* value, std::size_t size, unsigned lifetime_s,
             char* error, std::size_t error_size);
  // Sets `size` to that of the value, of which at most what it was before is copied. 1: no such name.
  int (*get)(void* registry, const char* name, void* value, std::size_t* size, char* error,
             std::size_t error_size);
  int (*remove)(void* registry, const char* name, char* error, std::size_t error_size);
};

constexpr const char* kRegistrySymbol = "rdpipe_registry_module";

}  // namespace rdpipe
