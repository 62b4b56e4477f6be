#include "serve/rates.h"

#include "catch.h"

using namespace rdpipe;

namespace {

Clock::time_point at(int seconds) {
  return Clock::time_point(std::chrono::hours(5) + std::chrono::seconds(seconds));
}

}  // namespace

TEST_CASE("rates are those of the window that ends now") {
  Rates rates;
  CHECK(rates.over(at(0), std::chrono::seconds(10)) == 0);
  rates.add(at(0), 1000);
  rates.add(at(0), 500);
  rates.add(at(5), 600);
  CHECK(rates.over(at(5), std::chrono::seconds(10)) == 210);
  CHECK(rates.over(at(5), std::chrono::seconds(60)) == 35);
  CHECK(rates.over(at(9), std::chrono::seconds(10)) == 210);
  CHECK(rates.over(at(10), std::chrono::seconds(10)) == 60);
  CHECK(rates.over(at(15), std::chrono::seconds(10)) == 0);
  CHECK(rates.over(at(15), Rates::kLongest) == 7);
}

TEST_CASE("what is five minutes old counts no more, and its place is used again") {
  Rates rates;
  rates.add(at(0), 3000);
  CHECK(rates.over(at(299), Rates::kLongest) == 10);
  CHECK(rates.over(at(300), Rates::kLongest) == 0);
  rates.add(at(301), 600);  // in the place of the first
  CHECK(rates.over(at(301), Rates::kLongest) == 2);
  for (int second = 302; second < 2000; ++second) rates.add(at(second), 10);
  CHECK(rates.over(at(1999), Rates::kLongest) == 10);
}
