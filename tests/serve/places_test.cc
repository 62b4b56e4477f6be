// Room for clients, and what one key may have of it.
#include "serve/places.h"

#include <vector>

#include "catch.h"

using namespace rdpipe;

TEST_CASE("there is room for so many clients, and for so much memory") {
  Places places({.clients = 3, .memory = 100, .clients_per_key = 3, .memory_per_key = 100});
  CHECK(places.has_room(100));
  CHECK_FALSE(places.has_room(101));
  const auto one = places.take("one", 60);
  CHECK(places.has_room(40));
  CHECK_FALSE(places.has_room(41));
  auto second = places.take("two", 1);
  const auto third = places.take("two", 1);
  CHECK_FALSE(places.has_room(1));
  CHECK(places.clients() == 3);
  CHECK(places.clients_of("two") == 2);
  second = {};
  CHECK(places.has_room(39));
  CHECK_FALSE(places.has_room(40));
  CHECK(places.clients_of("two") == 1);
}

TEST_CASE("a key has its share of clients and of memory, and one client in any case") {
  Places places({.clients = 4, .memory = 100, .clients_per_key = 2, .memory_per_key = 50});
  CHECK(places.is_within_share("one", 70));
  auto large = places.take("one", 30);
  CHECK(places.is_within_share("one", 20));
  CHECK_FALSE(places.is_within_share("one", 21));
  CHECK(places.is_within_share("two", 70));
  auto small = places.take("one", 1);
  CHECK_FALSE(places.is_within_share("one", 1));
  large = {};
  CHECK(places.is_within_share("one", 49));
  small = {};
  CHECK(places.clients_of("one") == 0);
  CHECK(places.is_within_share("one", 70));
}

TEST_CASE("a share that gets smaller is kept by those who come from then on") {
  Places places({.clients = 4, .memory = 100, .clients_per_key = 4, .memory_per_key = 100});
  std::vector<Places::Place> taken;
  for (int i = 0; i < 3; ++i) taken.push_back(places.take("one", 10));
  places.change({.clients = 4, .memory = 100, .clients_per_key = 2, .memory_per_key = 100});
  CHECK_FALSE(places.is_within_share("one", 10));
  taken.pop_back();
  CHECK_FALSE(places.is_within_share("one", 10));
  taken.pop_back();
  CHECK(places.is_within_share("one", 10));
}

TEST_CASE("one key may have everything, one of several three quarters, and never the last place") {
  const auto share = [](std::size_t clients, std::size_t keys, std::size_t per_key = 0) {
    return place_limits(clients, clients * 10, keys, per_key, 10);
  };
  CHECK(share(32, 1).clients_per_key == 32);
  CHECK(share(32, 1).memory_per_key == 320);
  CHECK(share(32, 2).clients_per_key == 24);
  CHECK(share(32, 2).memory_per_key == 240);
  CHECK(share(3, 9).clients_per_key == 2);
  CHECK(share(2, 2).clients_per_key == 1);
  CHECK(share(1, 2).clients_per_key == 1);
  CHECK(share(1, 2).memory_per_key == 10);
  CHECK(share(32, 1, 5).clients_per_key == 5);
  CHECK(share(32, 1, 5).memory_per_key == 50);
  CHECK(share(32, 2, 32).memory_per_key == 320);
}

TEST_CASE("what is left of little memory is enough for one client of another key") {
  const auto memory_per_key = [](std::size_t memory) {
    return place_limits(32, memory, 2, 0, 10).memory_per_key;
  };
  CHECK(memory_per_key(29) == 19);  // one client; three quarters would be two
  CHECK(memory_per_key(100) == 76);
  CHECK(memory_per_key(5) == 0);
}
