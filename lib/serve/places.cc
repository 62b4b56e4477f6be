#include "serve/places.h"

#include <algorithm>

namespace rdpipe {
namespace {

std::size_t default_share(std::size_t clients, std::size_t keys) {
  return keys <= 1 || clients == 1 ? clients : clients * 3 / 4;
}

}  // namespace

bool Places::has_room(std::size_t memory) const {
  return all_.clients < limits_.clients && all_.memory + memory <= limits_.memory;
}

bool Places::is_within_share(const std::string& key, std::size_t memory) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return true;
  const Taken& taken = found->second;
  return taken.clients < limits_.clients_per_key && taken.memory + memory <= limits_.memory_per_key;
}

Places::Place Places::take(const std::string& key, std::size_t memory) {
  Place place;
  place.key_ = by_key_.try_emplace(key).first;
  place.memory_ = memory;
  place.places_ = this;
  for (Taken* taken : {&place.key_->second, &all_}) {
    ++taken->clients;
    taken->memory += memory;
  }
  return place;
}

Places::Place::~Place() {
  if (places_ == nullptr) return;
  for (Taken* taken : {&key_->second, &places_->all_}) {
    --taken->clients;
    taken->memory -= memory_;
  }
  if (key_->second.clients == 0) places_->by_key_.erase(key_);
}

void Places::Place::swap(Place& other) noexcept {
  std::swap(places_, other.places_);
  std::swap(key_, other.key_);
  std::swap(memory_, other.memory_);
}

std::size_t Places::clients_of(const std::string& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? 0 : found->second.clients;
}

PlaceLimits place_limits(std::size_t clients, std::size_t memory, std::size_t keys, std::size_t per_key,
                         std::size_t largest) {
  const std::size_t share = per_key != 0 ? std::min(per_key, clients) : default_share(clients, keys);
  PlaceLimits limits{
      .clients = clients, .memory = memory, .clients_per_key = share, .memory_per_key = memory};
  if (share == clients) return limits;
  const std::size_t left = std::max(memory / clients * (clients - share), largest);
  limits.memory_per_key = memory - std::min(left, memory);
  return limits;
}

}  // namespace rdpipe
