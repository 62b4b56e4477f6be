#include "datagram/registry.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "datagram/registry_module.h"
#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr unsigned kLimitMs = 2000;
constexpr std::size_t kLongestEntry = 4096;  // bytes
constexpr std::string_view kMemcached = "memcached://";

// Names of other programs may stand in the same registry.
std::string key_of(const std::string& name) { return "rdpipe:" + name; }

const char kHere = 0;  // whose file is the library

// Modules lie beside the library, in a directory of their own.
std::string module_path(const std::string& kind) {
  Dl_info self{};
  std::string directory;
  if (::dladdr(&kHere, &self) != 0 && self.dli_fname != nullptr) directory = self.dli_fname;
  const auto slash = directory.rfind('/');
  directory = slash == std::string::npos ? "." : directory.substr(0, slash);
  return fmt::format("{}/rdpipe/librdpipe-{}.so", directory, kind);
}

}  // namespace

struct Registry::Module {
  explicit Module(const std::string& url);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  ~Module() {
    if (open != nullptr) table->close(open);
  }

  const RegistryModule* table = nullptr;
  void* open = nullptr;
};

Registry::Module::Module(const std::string& url) {
  const std::string attempt = fmt::format("open the registry '{}'", printable(url));
  if (!url.starts_with(kMemcached) || url.size() == kMemcached.size()) {
    throw Error(Status::kUsage, attempt, "not memcached://HOST or memcached://HOST:PORT");
  }
  void* library = ::dlopen(module_path("memcached").c_str(), RTLD_NOW | RTLD_LOCAL);  // stays
  if (library != nullptr) table = static_cast<const RegistryModule*>(::dlsym(library, kRegistrySymbol));
  if (table == nullptr) {
    throw Error(Status::kEndpoint, attempt, fmt::format("no module for it: {}", ::dlerror()),
                "build rdpipe with libmemcached (package libmemcached-dev)");
  }
  std::array<char, 256> error{};
  open = table->open(url.substr(kMemcached.size()).c_str(), kLimitMs, error.data(), error.size());
  if (open == nullptr) throw Error(Status::kUsage, attempt, printable(error.data()));
}

Registry::Registry(Loop& loop, const std::string& url)
    : loop_(loop), url_(url), module_(std::make_shared<Module>(url)) {}

Registry::~Registry() = default;

// The worker owns what it uses: it may outlive a caller that is interrupted.
template <typename Call>
void Registry::run(const std::string& attempt, Call call) {
  Operation operation;
  const auto job = [module = module_, attempt = fmt::format("{} at {}", attempt, printable(url_)),
                    call]() -> std::int64_t {
    std::array<char, 256> error{};
    if (call(*module->table, module->open, error) >= 0) return 0;
    throw Error(Status::kNetwork, attempt, printable(error.data()));
  };
  loop_.run(operation, job, Abandon::kDetach);
  while (!operation.done()) loop_.wait();
  operation.take();
}

void Registry::put(const std::string& name, const RegistryEntry& entry) {
  const std::uint64_t now = seconds_since_1970();
  const auto lifetime = static_cast<unsigned>(entry.expiry > now ? entry.expiry - now : 1);
  run(fmt::format("register '{}'", printable(name)),
      [key = key_of(name), bytes = encode_registered(entry), lifetime](
          const RegistryModule& table, void* open, std::array<char, 256>& error) {
        return table.put(open, key.c_str(), bytes.data(), bytes.size(), lifetime, error.data(), error.size());
      });
}

std::optional<RegistryEntry> Registry::get(const std::string& name) {
  const auto found = std::make_shared<std::optional<RegistryEntry>>();
  run(fmt::format("look up '{}'", printable(name)),
      [key = key_of(name), found](const RegistryModule& table, void* open, std::array<char, 256>& error) {
        std::vector<std::byte> bytes(kLongestEntry);
        std::size_t size = bytes.size();
        const int result = table.get(open, key.c_str(), bytes.data(), &size, error.data(), error.size());
        if (result == 0 && size <= bytes.size()) *found = decode_registered(std::span(bytes).first(size));
        return result;
      });
  return *found;
}

void Registry::remove(const std::string& name) {
  run(fmt::format("remove '{}'", printable(name)),
      [key = key_of(name)](const RegistryModule& table, void* open, std::array<char, 256>& error) {
        return table.remove(open, key.c_str(), error.data(), error.size());
      });
}

FoundEndpoint find_registered(Loop& loop, Registry& registry, const std::string& name,
                              const FabricOptions& options, Deadline deadline) {
  const std::string attempt = fmt::format("find '{}' in the registry", printable(name));
  const auto entry = registry.get(name);
  if (!entry) throw Error(Status::kEndpoint, attempt, "it has no such name");
  const std::uint64_t now = seconds_since_1970();
  if (entry->expiry <= now) {
    throw Error(Status::kEndpoint, attempt,
                fmt::format("a stale entry: it expired {} s ago", now - entry->expiry));
  }
  const EndpointName where = parse_endpoint_name(entry->where);
  FoundEndpoint found;
  try {
    found = find_endpoint(loop, where, options, deadline);
  } catch (const Error& error) {
    if (error.status() != Status::kEndpoint) throw;
    throw Error(Status::kEndpoint, attempt,
                fmt::format("a stale entry: {} says: {}", printable(entry->where), error.cause()));
  }
  if (found.address.queue_pair == entry->queue_pair && found.address.key == entry->key) return found;
  throw Error(
      Status::kEndpoint, attempt,
      fmt::format("a stale entry: {} has another endpoint of this name now", printable(entry->where)));
}

std::uint64_t seconds_since_1970() {
  using std::chrono::system_clock;
  return static_cast<std::uint64_t>(system_clock::to_time_t(system_clock::now()));
}

}  // namespace rdpipe
