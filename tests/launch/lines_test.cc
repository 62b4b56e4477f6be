// Lines off a pipe that does not block: whole, in order, and bounded.
#include "launch/lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <vector>

#include "catch.h"
#include "ground/descriptor.h"

using namespace rdpipe;

namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    out = Descriptor(ends[0]);
    in = Descriptor(ends[1]);
  }
  void write(std::string_view text) const {
    REQUIRE(::write(in.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  Descriptor out, in;
};

std::vector<std::string> all_lines(LineReader& reader) {
  std::vector<std::string> lines;
  while (auto line = reader.next()) lines.push_back(std::move(*line));
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("lines come without their ends, the last also after the end") {
  const Pipe pipe;
  LineReader reader(100);
  pipe.write(std::string_view("one\ntwo\r\n\n\r\na\rb\nn\0l\n tail", 25));
  CHECK(reader.fill(pipe.out.get()));
  CHECK(all_lines(reader) == Lines{"one", "two", "", "", "a\rb", std::string("n\0l", 3)});
  CHECK(reader.take_rest() == " tail");
  CHECK(reader.take_rest().empty());
  CHECK(!reader.next());
}

TEST_CASE("a line that comes bit by bit is one") {
  Pipe pipe;
  LineReader reader(100);
  for (const std::string_view bit : {"on", "e", "\r"}) {
    pipe.write(bit);
    CHECK(reader.fill(pipe.out.get()));
    CHECK(!reader.next());
  }
  pipe.write("\nnext\n");
  pipe.in.reset();
  CHECK(!reader.fill(pipe.out.get()));
  CHECK(all_lines(reader) == Lines{"one", "next"});
}

TEST_CASE("only the end says that nothing more will come") {
  Pipe pipe;
  LineReader reader(100);
  CHECK(reader.fill(pipe.out.get()));
  pipe.write("rest");
  CHECK(reader.fill(pipe.out.get()));
  pipe.in.reset();
  CHECK(!reader.fill(pipe.out.get()));
  CHECK(!reader.next());
  CHECK(reader.take_rest() == "rest");
  CHECK(!reader.fill(-1));
}

TEST_CASE("a line as long as the longest is one, and a longer one comes in pieces") {
  const Pipe pipe;
  LineReader reader(8);
  pipe.write("12345678");
  CHECK(reader.fill(pipe.out.get()));
  CHECK(!reader.next());
  pipe.write("\n");
  CHECK(reader.fill(pipe.out.get()));
  CHECK(all_lines(reader) == Lines{"12345678"});
  pipe.write("123456789");
  CHECK(reader.fill(pipe.out.get()));
  CHECK(all_lines(reader) == Lines{"123456789"});
  pipe.write("0\nnext\n");
  CHECK(reader.fill(pipe.out.get()));
  CHECK(all_lines(reader) == Lines{"0", "next"});
}

TEST_CASE("a line without end takes bounded memory") {
  Pipe pipe;
  constexpr std::size_t kLongest = 1000, kRead = 4096;
  std::string text;
  for (int i = 0; text.size() < 40000; ++i) text += std::to_string(i) + ' ';
  pipe.write(text);
  pipe.in.reset();
  LineReader reader(kLongest);
  std::string got;
  int fills = 0;
  for (bool more = true; more; ++fills) {
    REQUIRE(fills < 1000);
    more = reader.fill(pipe.out.get());
    for (const std::string& piece : all_lines(reader)) {
      CHECK(piece.size() <= kLongest + kRead);
      got += piece;
    }
  }
  CHECK(fills > 5);
  CHECK(got + reader.take_rest() == text);
}
