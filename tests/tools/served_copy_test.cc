// What a server makes of a client's words: all that rdcp tells another end, and nothing else.
#include <fstream>

#include "catch.h"
#include "options.h"
#include "serve_settings.h"

using namespace rdpipe;
using namespace rdpipe::tools;

namespace {

using Words = std::vector<std::string>;

Error refusal_of(const Words& words) {
  try {
    static_cast<void>(served_copy(words));
  } catch (const Error& error) {
    return error;
  }
  return {Status::kOk, "", ""};
}

Words receiving(Words options) {
  options.insert(options.end(), {"--receiver", "--", "x"});
  return options;
}

// Words of about a megabyte.
Words many(const std::string& word) { return Words((std::size_t{1} << 20) / word.size(), word); }

}  // namespace

TEST_CASE("a client's words say who sends what") {
  const ServedCopy pull = served_copy({"--archive", "--exclude=- *.o", "--sender", "--", "a", "-b", "--c"});
  CHECK(pull.sends);
  CHECK(pull.paths == Words{"a", "-b", "--c"});
  CHECK(pull.copy.recursive);
  CHECK(pull.copy.globs);
  CHECK(pull.copy.filters == std::vector<CopyFilter>{{false, "*.o"}});
  CHECK(pull.copy.beneath == -1);
  const ServedCopy push =
      served_copy({"-rt", "--no-times", "--remove-source-files", "--receiver", "--", "-"});
  CHECK(!push.sends);
  CHECK(push.paths == Words{"-"});
  CHECK(push.copy.recursive);
  CHECK(!push.copy.times);
  CHECK(!push.copy.globs);
}

TEST_CASE("what rdcp says to another end a server understands") {
  CommandLine line =
      parse_words({"-aHAXS", "--chmod=u+rw", "--include=a", "--exclude=b", "--max-delete=7", "--delete",
                   "--partial-dir=p", "--timeout=3", "--ring=8M", "--no-o", "-P", "-q", "in", "h::x"});
  line.copy.copy.files_from = Words{"f", "--g"};
  const ServedCopy pull = served_copy(words_for_peer(line.copy, PeerRole::kSender, false, {"in", "--no-r"}));
  CHECK(pull.paths == Words{"in", "--no-r"});
  CHECK(pull.copy.hard_links);
  CHECK(!pull.copy.owner);
  CHECK(pull.copy.chmod == "u+rw");
  CHECK(pull.copy.filters == line.copy.copy.filters);
  CHECK(pull.copy.files_from == line.copy.copy.files_from);
  CHECK(pull.copy.max_delete == 7);
  const ServedCopy push = served_copy(words_for_peer(line.copy, PeerRole::kReceiver, false, {"x"}));
  CHECK(push.paths == Words{"x"});
  CHECK(push.copy.partial_dir == "p");
}

TEST_CASE("an option that does not travel is not for a server") {
  for (const Option* option : options_of(Tool::kCopy)) {
    const std::string name = name_of(*option);
    const bool filter = name == "--exclude" || name == "--include";
    if (option->travels || filter || (option->help == nullptr && name != "--peer")) continue;
    CAPTURE(name);
    Words words = {name};
    if (option->argument != nullptr) words.emplace_back("1");
    CHECK(refusal_of(receiving(words)).status() == Status::kUsage);
    CHECK(std::string(refusal_of(receiving(words)).what()) == "option " + name + ": not for a server");
  }
}

TEST_CASE("no file of a server's is read for a client") {
  const std::string path = "served_copy_test.patterns";
  std::ofstream(path) << "a\n";
  for (const char* option : {"--exclude-from=", "--include-from=", "--files-from=", "--key-file="}) {
    CHECK(refusal_of(receiving({option + path})).cause() == "not for a server");
  }
  std::remove(path.c_str());
}

TEST_CASE("words without a role, or with two, or without a path are refused") {
  const Words words = GENERATE(values<Words>({
      {},
      {"--", "x"},
      {"--sender"},
      {"--sender", "--"},
      {"--receiver", "--"},
      {"--receiver", "--", "a", "b"},
      {"--sender", "--receiver", "--", "a"},
      {"--receiver", "--receiver", "--", "a"},
      {"--sender", "--", ""},
      {"--sender", "--", std::string("a\0b", 3)},
      {"--remove-source-files", "--sender", "--", "a"},
      {"--delete", "--receiver", "--", "a"},
      {"--chmod", "--receiver", "--", "a"},
      {"--suffix=a/b", "--receiver", "--", "a"},
  }));
  CAPTURE(words);
  CHECK(refusal_of(words).status() == Status::kUsage);
}

TEST_CASE("the format of a list has a bound, as each of its letters may stand for a long name") {
  const std::string longest(256, 'n');
  CHECK(served_copy(receiving({"--out-format=" + longest})).copy.out_format == longest);
  const Error refusal = refusal_of(receiving({"--out-format=" + longest + "n"}));
  CHECK(refusal.status() == Status::kUsage);
  CHECK(refusal.cause() == "the format of lists is too long");
}

TEST_CASE("a refused word leaves nothing behind for the next client") {
  CHECK(refusal_of(receiving({"-rvtz"})).cause() == "not for a server");
  CHECK(served_copy(receiving({"-r"})).copy.recursive);
  CHECK(refusal_of(receiving({"-r?"})).status() == Status::kUsage);
  CHECK(!served_copy(receiving({"-t"})).copy.recursive);
}

TEST_CASE("a megabyte of words is taken, or refused in a short line") {
  CHECK(served_copy(receiving(many("--exclude=+ x"))).copy.filters.size() == (1U << 20) / 13);
  CHECK(served_copy(receiving(many("--listed-file=x"))).copy.files_from->size() == (1U << 20) / 15);
  CHECK(served_copy(receiving(many("-rltrltrltrlt"))).copy.times);
  CHECK(served_copy(receiving(many("--no-times"))).paths == Words{"x"});
  const std::string huge(std::size_t{1} << 20, 'k');
  for (const std::string option : {"--", "--chmod=", "--max-delete=", "-", "--max-delete"}) {
    const Error refusal = refusal_of(receiving({option + huge}));
    CHECK(refusal.status() == Status::kUsage);
    CHECK(std::string(refusal.what()).size() < 1000);
  }
  Words senders = {"--sender", "--"};
  const Words paths = many("a/b/c");
  senders.insert(senders.end(), paths.begin(), paths.end());
  CHECK(served_copy(senders).paths.size() == paths.size());
}
