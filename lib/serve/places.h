// How many clients a server has room for, and how much of that one key may take. One thread.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>

namespace rdpipe {

struct PlaceLimits {
  std::size_t clients = 0, memory = 0;                  // of all together; memory in bytes
  std::size_t clients_per_key = 0, memory_per_key = 0;  // a key's share
};

class Places {
  struct Taken {
    std::size_t clients = 0, memory = 0;
  };
  using ByKey = std::map<std::string, Taken>;

 public:
  // One client's, for as long as it lives; the Places outlive it.
  class Place {
   public:
    Place() = default;
    Place(Place&& other) noexcept { swap(other); }
    Place& operator=(Place&& other) noexcept {
      Place(std::move(other)).swap(*this);
      return *this;
    }
    ~Place();

   private:
    friend class Places;
    void swap(Place& other) noexcept;
    Places* places_ = nullptr;
    ByKey::iterator key_{};
    std::size_t memory_ = 0;
  };

  explicit Places(const PlaceLimits& limits) : limits_(limits) {}
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;
  // Who is in already stays.
  void change(const PlaceLimits& limits) { limits_ = limits; }

  // Whether there is room for one more that takes `memory`, whoever it is.
  [[nodiscard]] bool has_room(std::size_t memory) const;
  // Whether it is within its key's share. The first client of a key always is.
  [[nodiscard]] bool is_within_share(const std::string& key, std::size_t memory) const;
  [[nodiscard]] Place take(const std::string& key, std::size_t memory);

  [[nodiscard]] std::size_t clients() const noexcept { return all_.clients; }
  [[nodiscard]] std::size_t clients_of(const std::string& key) const;

 private:
  PlaceLimits limits_;
  Taken all_;
  ByKey by_key_;  // of those that have clients
};

// Shares of `keys` keys, where `per_key` of the clients is asked for, or with 0 the default: everything for
// one that is alone, otherwise three quarters. What one key cannot have is room for one client at least, of
// `largest` bytes, unless a key may have all places, or there is one.
[[nodiscard]] PlaceLimits place_limits(std::size_t clients, std::size_t memory, std::size_t keys,
                                       std::size_t per_key, std::size_t largest);

}  // namespace rdpipe
