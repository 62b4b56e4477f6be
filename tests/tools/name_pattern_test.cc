#include "name_pattern.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <rdpipe/error.h>
#include "catch.h"

namespace rdpipe::tools {
namespace {

constexpr std::time_t kWhen = 1700000005;  // 2023-11-14 22:13:25 UTC

struct InUtc {
  InUtc() {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
  }
};

}  // namespace

TEST_CASE("a pattern gives the time and the number") {
  const InUtc utc;
  CHECK(name_from("a-%Y%m%d-%H%M%S.%n", kWhen, 12) == "a-20231114-221325.12");
  CHECK(name_from("100%%", kWhen, 1) == "100%");
  CHECK(name_from("%%n%%%n", kWhen, 3) == "%n%3");
}

TEST_CASE("a pattern without a change, or with an unknown one, is refused") {
  for (const char* pattern : {"out", "100%%", "%%n", "%", "%n%", "out.%q", "%D"}) {
    CHECK_THROWS_AS(require_name_pattern(pattern), Error);
  }
  for (const char* pattern : {"%n", "out.%S", "%%%n", "%Y/%m/%n"})
    CHECK_NOTHROW(require_name_pattern(pattern));
}

TEST_CASE("a series skips the numbers that are taken, and goes on when a name was used") {
  std::string directory = std::filesystem::temp_directory_path() / "rdpipe-names-XXXXXX";
  REQUIRE(::mkdtemp(directory.data()) != nullptr);
  for (const char* taken : {"/got.1", "/got.2", "/got.4"}) std::ofstream(directory + taken) << "x";
  NameSeries names(directory + "/got.%n");
  CHECK(names.next(kWhen) == directory + "/got.3");
  CHECK(names.next(kWhen) == directory + "/got.3");
  names.used();
  CHECK(names.next(kWhen) == directory + "/got.5");
  std::filesystem::remove_all(directory);
}

}  // namespace rdpipe::tools
