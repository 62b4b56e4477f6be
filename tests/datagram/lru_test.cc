#include "datagram/lru.h"

#include <memory>
#include <string>

#include "catch.h"

using namespace rdpipe;

TEST_CASE("a bounded map puts out what was not used for longest") {
  LruMap<std::string, int> map(2);
  CHECK_FALSE(map.insert("a", 1));
  CHECK_FALSE(map.insert("b", 2));
  REQUIRE(map.find("a") != nullptr);
  const auto put_out = map.insert("c", 3);
  REQUIRE(put_out);
  CHECK(*put_out == 2);
  CHECK(map.find("b") == nullptr);
  CHECK(*map.find("a") == 1);
  CHECK(*map.find("c") == 3);
  CHECK(map.size() == 2);
}

TEST_CASE("a bounded map holds values that only move, and gives them back") {
  LruMap<int, std::unique_ptr<int>> map(1);
  map.insert(1, std::make_unique<int>(7));
  const auto put_out = map.insert(2, nullptr);
  REQUIRE(put_out);
  CHECK(**put_out == 7);
}
