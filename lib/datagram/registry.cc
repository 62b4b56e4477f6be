#include "datagram/registry.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "datagram/registry_module.h"
#include "ground/error.h"

namespace rdpipe {
namespace {

constexpr unsigned kLimitMs = 2000;
constexpr std::size_t kLongestEntry = 4096;  // bytes
constexpr std::size_t kLongestKey = 240;     // memcached takes 250
constexpr std::string_view kMemcached = "memcached://";

// Names of other programs may stand in the same registry. What a registry's protocol would take for its own
// does not get there.
std::string key_of(const std::string& name) {
  const bool printable_ascii = std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7F'; });
  if (printable_ascii && !name.empty() && name.size() <= kLongestKey) return "rdpipe:" + name;
  throw Error(Status::kUsage, fmt::format("name '{}' in a registry", printable(name)),
              fmt::format("not 1 to {} printable characters of ASCII without blanks", kLongestKey));
}

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

std::string attempt_to_open(const std::string& what) {
  return fmt::format("open the registry '{}'", printable(what));
}

std::string servers_of(const std::string& url) { return url.substr(std::min(url.size(), kMemcached.size())); }

const RegistryModule& module_for(const std::string& url) {
  if (!url.starts_with(kMemcached) || url.size() == kMemcached.size()) {
    throw Error(Status::kUsage, attempt_to_open(url), "not memcached://HOST or memcached://HOST:PORT");
  }
  void* library = ::dlopen(module_path("memcached").c_str(), RTLD_NOW | RTLD_LOCAL);  // stays
  const void* table = library == nullptr ? nullptr : ::dlsym(library, kRegistrySymbol);
  if (table != nullptr) return *static_cast<const RegistryModule*>(table);
  throw Error(Status::kEndpoint, attempt_to_open(url), fmt::format("no module for it: {}", ::dlerror()),
              "build rdpipe with libmemcached (package libmemcached-dev)");
}

// Where an entry says that the endpoint is. Whoever can write to the registry says it.
EndpointName where_of(const RegistryEntry& entry, const std::string& attempt) {
  std::string cause = "its port is no number from 1 to 65535";
  try {
    EndpointName where = parse_endpoint_name(entry.where);
    const std::string& port = where.peer.port;
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (error == std::errc() && end == port.data() + port.size() && number > 0) return where;
  } catch (const Error& error) {
    cause = error.cause();
  }
  throw Error(Status::kEndpoint, attempt,
              fmt::format("a bad entry in the registry: '{}': {}", printable(entry.where), cause));
}

void await(Loop& loop, Operation& operation) {
  while (!operation.done()) loop.wait();
  operation.take();
}

}  // namespace

struct Registry::Module {
  Module(const RegistryModule& module, const std::string& servers);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;
  ~Module() { table.close(open); }

  // Makes the `number`th call, one at a time. 0 where a later one has been asked for since: nobody waits for
  // this one any more, and it must not come after that.
  template <typename Call>
  int make(std::uint64_t number, Call call, std::array<char, 256>& error) {
    const std::lock_guard lock(busy);
    return number == latest ? call(table, open, error) : 0;
  }

  const RegistryModule& table;
  void* open;
  std::mutex busy;
  std::atomic<std::uint64_t> latest = 0;
};

Registry::Module::Module(const RegistryModule& module, const std::string& servers) : table(module) {
  std::array<char, 256> error{};
  open = table.open(servers.c_str(), kLimitMs, error.data(), error.size());
  if (open != nullptr) return;
  throw Error(Status::kUsage, attempt_to_open(servers), printable(error.data()));
}

Registry::Registry(Loop& loop, const std::string& url) : Registry(loop, module_for(url), servers_of(url)) {
  url_ = url;
}

Registry::Registry(Loop& loop, const RegistryModule& module, const std::string& servers)
    : loop_(loop), url_(servers), module_(std::make_shared<Module>(module, servers)) {}

Registry::~Registry() = default;

// The worker owns what it uses: it may outlive a caller that is interrupted.
template <typename Call>
void Registry::begin(Operation& operation, const std::string& attempt, Call call) {
  const auto job = [module = module_, number = ++module_->latest,
                    attempt = fmt::format("{} at {}", attempt, printable(url_)), call]() -> std::int64_t {
    std::array<char, 256> error{};
    if (module->make(number, call, error) >= 0) return 0;
    throw Error(Status::kNetwork, attempt, printable(error.data()));
  };
  loop_.run(operation, job, Abandon::kDetach);
}

template <typename Call>
void Registry::run(const std::string& attempt, Call call) {
  Operation operation;
  begin(operation, attempt, call);
  await(loop_, operation);
}

void Registry::put(const std::string& name, const RegistryEntry& entry) {
  Operation operation;
  begin_put(operation, name, entry);
  await(loop_, operation);
}

void Registry::begin_put(Operation& operation, const std::string& name, const RegistryEntry& entry) {
  const std::uint64_t now = seconds_since_1970();
  const auto lifetime = static_cast<unsigned>(entry.expiry > now ? entry.expiry - now : 1);
  begin(operation, fmt::format("register '{}'", printable(name)),
        [key = key_of(name), bytes = encode_registered(entry), lifetime](
            const RegistryModule& table, void* open, std::array<char, 256>& error) {
          return table.put(open, key.c_str(), bytes.data(), bytes.size(), lifetime, error.data(),
                           error.size());
        });
}

std::optional<RegistryEntry> Registry::get(const std::string& name) {
  struct Found {
    bool any = false;
    std::optional<RegistryEntry> entry;
  };
  const auto found = std::make_shared<Found>();
  const std::string attempt = fmt::format("look up '{}'", printable(name));
  run(attempt,
      [key = key_of(name), found](const RegistryModule& table, void* open, std::array<char, 256>& error) {
        std::vector<std::byte> bytes(kLongestEntry);
        std::size_t size = bytes.size();
        const int result = table.get(open, key.c_str(), bytes.data(), &size, error.data(), error.size());
        found->any = result == 0;
        if (found->any && size <= bytes.size())
          found->entry = decode_registered(std::span(bytes).first(size));
        return result;
      });
  if (!found->any || found->entry) return found->entry;
  throw Error(Status::kEndpoint, fmt::format("{} at {}", attempt, printable(url_)),
              "a bad entry in the registry: it is none of this version's");
}

void Registry::remove(const std::string& name) {
  run(fmt::format("remove '{}'", printable(name)),
      [key = key_of(name)](const RegistryModule& table, void* open, std::array<char, 256>& error) {
        return table.remove(open, key.c_str(), error.data(), error.size());
      });
}

FoundEndpoint find_registered(Loop& loop, Registry& registry, const std::string& name,
                              const FabricOptions& options, Deadline deadline, const Meanwhile& meanwhile) {
  const std::string attempt = fmt::format("find '{}' in the registry", printable(name));
  const auto entry = registry.get(name);
  if (!entry) throw Error(Status::kEndpoint, attempt, "it has no such name");
  const std::uint64_t now = seconds_since_1970();
  if (entry->expiry <= now) {
    throw Error(Status::kEndpoint, attempt,
                fmt::format("a stale entry: it expired {} s ago", now - entry->expiry));
  }
  const EndpointName where = where_of(*entry, attempt);
  FoundEndpoint found;
  try {
    found = find_endpoint(loop, where, options, deadline, meanwhile);
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

std::string registry_url() {
  const char* url = std::getenv("RDPIPE_REGISTRY");
  return url == nullptr ? "" : url;
}

FoundEndpoint find_named(Loop& loop, EndpointName name, const FabricOptions& options, Deadline deadline,
                         const Meanwhile& meanwhile) {
  const std::string url = registry_url();
  if (url.empty()) return find_endpoint(loop, name, options, deadline, meanwhile);
  if (name.name.empty()) name.name = std::string("0");
  Registry registry(loop, url);
  return find_registered(loop, registry, text_of(name), options, deadline, meanwhile);
}

std::uint64_t seconds_since_1970() {
  using std::chrono::system_clock;
  return static_cast<std::uint64_t>(system_clock::to_time_t(system_clock::now()));
}

}  // namespace rdpipe
