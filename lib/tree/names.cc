#include "tree/names.h"

#include <xxhash.h>

#include <array>
#include <utility>

#include "ground/secret.h"

namespace rdpipe {
namespace {

constexpr std::size_t kFewest = 16;

// Whoever chooses names must not know which of them meet: one in each process.
using HashSecret = std::array<std::byte, 192>;
HashSecret make_secret() {
  HashSecret secret;
  fill_random(secret);
  return secret;
}

std::uint64_t hash_of(std::string_view name) {
  static const HashSecret secret = make_secret();
  const std::uint64_t hash = XXH3_64bits_withSecret(name.data(), name.size(), secret.data(), secret.size());
  return hash == 0 ? 1 : hash;  // 0 means a free place
}

}  // namespace

std::size_t NameSet::place_of(std::uint64_t hash) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = hash & mask;
  while (table_[at] != 0 && table_[at] != hash) at = (at + 1) & mask;
  return at;
}

void NameSet::grow() {
  const auto old =
      std::exchange(table_, std::vector<std::uint64_t>(table_.empty() ? kFewest : table_.size() * 2));
  for (const std::uint64_t hash : old) {
    if (hash != 0) table_[place_of(hash)] = hash;
  }
}

bool NameSet::insert(std::string_view name) {
  if (4 * (count_ + 1) > 3 * table_.size()) grow();
  const std::uint64_t hash = hash_of(name);
  std::uint64_t& place = table_[place_of(hash)];
  if (place == hash) return false;
  place = hash;
  ++count_;
  return true;
}

bool NameSet::contains(std::string_view name) const {
  return !table_.empty() && table_[place_of(hash_of(name))] != 0;
}

void NameSet::clear() {
  table_ = {};
  count_ = 0;
}

}  // namespace rdpipe
