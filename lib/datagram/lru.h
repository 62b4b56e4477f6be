// A map that is bounded: a new entry takes the place of the one that was not used for longest. No I/O, one
// thread.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

namespace rdpipe {

template <typename Key, typename Value, typename Hash = std::hash<Key>>
class LruMap {
 public:
  using Entry = std::pair<const Key, Value>;

  explicit LruMap(std::size_t limit) : limit_(limit) {}

  // Counts as use. Valid until the entry is put out; null where there is none.
  [[nodiscard]] Value* find(const Key& key) {
    const auto found = places_.find(key);
    if (found == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }

  // A key that is not there yet. Returns what had to make room.
  std::optional<Value> insert(const Key& key, Value value) {
    std::optional<Value> out;
    if (places_.size() == limit_) {
      out = std::move(entries_.back().second);
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, std::move(value));
    places_.emplace(key, entries_.begin());
    return out;
  }

  [[nodiscard]] std::size_t size() const noexcept { return places_.size(); }

 private:
  std::size_t limit_;
  std::list<Entry> entries_;  // the last used first
  std::unordered_map<Key, typename std::list<Entry>::iterator, Hash> places_;
};

}  // namespace rdpipe
