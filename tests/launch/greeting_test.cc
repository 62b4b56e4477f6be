// What launcher and peer say to each other, and what a login shell says in between.
#include "launch/greeting.h"
#include "catch.h"
#include "ground/error.h"

using namespace rdpipe;

TEST_CASE("orders come out as they went in") {
  const Orders orders{.key = "00ff", .words = {"--archive", "", "--", "a b\n", "-x", "\xff'"}};
  const std::string text = encode_orders(orders);
  const std::size_t end = text.find('\n');
  REQUIRE(end != std::string::npos);
  REQUIRE(parse_orders_line(text.substr(0, end)) == text.size() - end - 1);
  const Orders back = parse_orders(text.substr(end + 1));
  CHECK(back.key == orders.key);
  CHECK(back.words == orders.words);
}

TEST_CASE("orders that are none are refused") {
  const std::string line = GENERATE("", "GET / HTTP/1.1", "RDPIPE PEER 9 100", "RDPIPE PEER 2",
                                    "RDPIPE PEER 2 -5", "RDPIPE PEER 2 99999999999", "RDPIPE PEER 2 10x");
  CAPTURE(line);
  CHECK_THROWS_AS(parse_orders_line(line), Error);
  CHECK_THROWS_AS(parse_orders("cut off"), Error);
}

TEST_CASE("an answer is found behind noise, and noise is none") {
  const Contact contact{.port = 4711, .addresses = {"10.0.0.1", "fd00::1"}, .rdma = true, .tcp = true};
  std::string line = ready_line(contact);
  line.pop_back();
  CHECK(std::get<Contact>(parse_answer(line)) == contact);
  CHECK(std::get<Contact>(parse_answer("Welcome! " + line)) == contact);
  CHECK(std::get<Contact>(parse_answer(line + " more of a later version")) == contact);
  CHECK(std::holds_alternative<std::monostate>(parse_answer("Last login: today")));
  CHECK(std::holds_alternative<std::monostate>(parse_answer("")));
  CHECK(std::get<OtherVersion>(parse_answer("RDPIPE READY 9 whatever")).version == "9");
  CHECK(std::holds_alternative<OtherVersion>(parse_answer("RDPIPE READY 2 70000 - tcp")));
  const auto refusal = std::get<Refusal>(parse_answer("RDPIPE ERROR 3 no\x1b such"));
  CHECK(refusal.status == 3);
  CHECK(refusal.text == "no? such");
  CHECK(std::holds_alternative<std::monostate>(parse_answer("RDPIPE ERROR 0 fine")));
}

TEST_CASE("an end that does not listen says so") {
  CHECK(parse_contact(contact_text({})) == Contact{});
  CHECK(!parse_contact("").has_value());
  CHECK(!parse_contact("1 -x tcp").has_value());
  CHECK(!parse_contact("1 a;b tcp").has_value());
  CHECK(!parse_contact("x 10.0.0.1 tcp").has_value());
}
