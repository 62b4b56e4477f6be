#include "datagram/registry.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <thread>
#include <vector>

#include "catch.h"
#include "datagram/registry_module.h"
#include "error_of.h"
#include "ground/descriptor.h"
#include "ground/error.h"

using namespace rdpipe;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// A registry in this process, one at a time, whose put() may be held up.
struct Kept {
  Kept();
  std::map<std::string, std::vector<std::byte>> entries;
  std::atomic<bool> hold{false};
  std::atomic<int> inside{0}, most_inside{0}, puts{0}, calls{0};
  int entered = -1;  // an eventfd that a put raises when it begins
};
Kept* kept = nullptr;

Kept::Kept() { kept = this; }

class Visit {
 public:
  Visit() {
    const int now = ++kept->inside;
    kept->most_inside = std::max<int>(kept->most_inside, now);
    ++kept->calls;
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  ~Visit() { --kept->inside; }
};

int put(void* /*registry*/, const char* name, const void* value, std::size_t size, unsigned /*lifetime*/,
        char* /*error*/, std::size_t /*error_size*/) {
  const Visit visit;
  const std::uint64_t one = 1;
  if (kept->entered >= 0 && ::write(kept->entered, &one, sizeof one) != sizeof one) std::abort();
  while (kept->hold) std::this_thread::sleep_for(milliseconds(1));
  const auto* bytes = static_cast<const std::byte*>(value);
  kept->entries[name] = std::vector<std::byte>(bytes, bytes + size);
  ++kept->puts;
  return 0;
}

int get(void* /*registry*/, const char* name, void* value, std::size_t* size, char* /*error*/,
        std::size_t /*error_size*/) {
  const Visit visit;
  const auto found = kept->entries.find(name);
  if (found == kept->entries.end()) return 1;
  std::memcpy(value, found->second.data(), std::min(*size, found->second.size()));
  *size = found->second.size();
  return 0;
}

int remove_name(void* /*registry*/, const char* name, char* /*error*/, std::size_t /*error_size*/) {
  const Visit visit;
  kept->entries.erase(name);
  return 0;
}

const RegistryModule kModule = {
    .open = [](const char*, unsigned, char*, std::size_t) -> void* { return kept; },
    .close = [](void*) {},
    .put = put,
    .get = get,
    .remove = remove_name};

struct Fixture {
  void keep(const std::string& name, const std::string& where) {
    here.entries["rdpipe:" + name] = encode_registered({.where = where, .expiry = ~0ULL});
  }
  Kept here;
  Loop loop;
  Registry registry{loop, kModule, "here"};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "a registry gives back what was put there, until it is removed") {
  const RegistryEntry entry{.where = "10.0.0.1:7471/0", .expiry = 1795763053, .queue_pair = 17, .key = 99};
  registry.put("a:7471/0", entry);
  CHECK(registry.get("a:7471/0") == entry);
  CHECK_FALSE(registry.get("b:7471/0"));
  registry.remove("a:7471/0");
  CHECK_FALSE(registry.get("a:7471/0"));
}

// As when a signal ends a server while it renews its entries, and it takes them away.
TEST_CASE_METHOD(Fixture, "a put that was interrupted ends before its name is removed") {
  const Descriptor interrupt(::eventfd(0, EFD_CLOEXEC));
  here.entered = interrupt.get();
  here.hold = true;
  loop.interrupt_on(interrupt.get(), [&interrupt] {
    std::uint64_t taken = 0;
    CHECK(::read(interrupt.get(), &taken, sizeof taken) == sizeof taken);
    throw Error(Status::kSignal, "wait", "interrupted");
  });
  CHECK(error_of([&] { registry.put("a", {.where = "b"}); }).status() == Status::kSignal);
  std::thread later([this] {
    std::this_thread::sleep_for(milliseconds(300));
    here.hold = false;
  });
  registry.remove("a");
  later.join();
  while (here.puts == 0) std::this_thread::sleep_for(milliseconds(1));
  CHECK(here.most_inside == 1);
  CHECK(here.entries.empty());
  loop.interrupt_on(interrupt.get(), {});
}

TEST_CASE_METHOD(Fixture, "what is no entry is told from what is not there") {
  here.entries["rdpipe:a"] = std::vector<std::byte>(7);
  here.entries["rdpipe:b"] = std::vector<std::byte>(5000);
  for (const std::string name : {"a", "b"}) {
    const Error error = error_of([&] { static_cast<void>(registry.get(name)); });
    CHECK(error.status() == Status::kEndpoint);
    CHECK(std::string(error.what()).find("a bad entry in the registry") != std::string::npos);
  }
}

TEST_CASE_METHOD(Fixture, "an entry that names no address is a bad entry, and not the user's mistake") {
  const std::string long_name(kLongestName + 1, 'x');
  for (const std::string& where :
       std::vector<std::string>{"", "[::1", ":7471", "host:99999", "host:0", "host:-1", "host:ftp",
                                "host:7471x", "host:7471/" + long_name}) {
    INFO(where);
    keep("a", where);
    const Error error = error_of(
        [&] { static_cast<void>(find_registered(loop, registry, "a", {}, Deadline::in(seconds(1)))); });
    CHECK(error.status() == Status::kEndpoint);
    CHECK(std::string(error.what()).find("a bad entry in the registry") != std::string::npos);
  }
}

TEST_CASE_METHOD(Fixture, "names that a registry's protocol could take for its own do not get there") {
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a\r\nflush_all"), std::string("a\tb"),
        std::string("\xC3\xA4"), std::string(1, '\0'), std::string(241, 'a')}) {
    INFO(name);
    CHECK(error_of([&] { registry.put(name, {.where = "b"}); }).status() == Status::kUsage);
    CHECK(error_of([&] { static_cast<void>(registry.get(name)); }).status() == Status::kUsage);
    CHECK(error_of([&] { registry.remove(name); }).status() == Status::kUsage);
  }
  CHECK(here.calls == 0);
  registry.put(std::string(240, 'a'), {.where = "b"});
  CHECK(here.calls == 1);
}
