// A registry of names outside the hosts that have them: what it keeps of a name says where to ask
// (RegistryEntry), until when, and who must answer. Kinds of registries are modules of their own, loaded when
// they are asked for.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "datagram/find.h"
#include "datagram/names.h"
#include "ground/deadline.h"
#include "io/loop.h"

namespace rdpipe {

struct RegistryModule;

// Calls sleep in the loop, while a worker asks. Belongs to the thread of the loop.
class __attribute__((visibility("default"))) Registry {
 public:
  // "memcached://HOST[:PORT][,HOST...]". Throws Error{kUsage} for another kind, Error{kEndpoint} where its
  // module is not installed. Whether anybody answers shows later.
  Registry(Loop& loop, const std::string& url);
  // With a module that is there already; `servers`: what it opens.
  Registry(Loop& loop, const RegistryModule& module, const std::string& servers);
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  ~Registry();

  // These throw Error{kNetwork}, and Error{kUsage} for a name that is not of up to 240 printable characters
  // of ASCII without blanks. Where the loop is interrupted, what was asked for may still be done, but not
  // once something else is asked for. An entry is kept until its expiry.
  void put(const std::string& name, const RegistryEntry& entry);
  // Throws Error{kEndpoint} where something else than an entry stands there.
  [[nodiscard]] std::optional<RegistryEntry> get(const std::string& name);
  void remove(const std::string& name);

  // Begins put(): `operation`, once it is done, throws what that throws. Nothing else may be asked of the
  // registry before.
  void begin_put(Operation& operation, const std::string& name, const RegistryEntry& entry);

 private:
  struct Module;
  template <typename Call>
  void begin(Operation& operation, const std::string& attempt, Call call);
  template <typename Call>
  void run(const std::string& attempt, Call call);

  Loop& loop_;
  std::string url_;
  std::shared_ptr<Module> module_;
};

// Finds an endpoint by a registry's name, and checks the entry before anyone uses it: that it makes sense and
// has not expired, and that the host it names still has this very endpoint. Throws Error{kEndpoint} where
// there is no entry, or a bad or stale one, and what find_endpoint() throws.
[[nodiscard]] __attribute__((visibility("default"))) FoundEndpoint find_registered(
    Loop& loop, Registry& registry, const std::string& name, const FabricOptions& options, Deadline deadline,
    const Meanwhile& meanwhile = {});

// The registry that RDPIPE_REGISTRY names; empty: none.
[[nodiscard]] __attribute__((visibility("default"))) std::string registry_url();

// In that registry where there is one, under its name there, "0" where it has none; otherwise at the host
// itself.
[[nodiscard]] __attribute__((visibility("default"))) FoundEndpoint find_named(
    Loop& loop, EndpointName name, const FabricOptions& options, Deadline deadline,
    const Meanwhile& meanwhile = {});

[[nodiscard]] __attribute__((visibility("default"))) std::uint64_t seconds_since_1970();

}  // namespace rdpipe
