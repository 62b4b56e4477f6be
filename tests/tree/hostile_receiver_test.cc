// A receiver of trees that does not play by the rules: whatever it says, the sender's memory is bounded and
// its sources stay as they are.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "catch.h"
#include "tree/hostile.h"

using namespace rdpipe;
using namespace rdpipe::test;

namespace fs = std::filesystem;

namespace {

using Notes = std::vector<std::vector<std::byte>>;
using Prepare = std::function<void(const Scratch& scratch, CopyOptions& options)>;

// What a TreeSource of two files makes of `notes`, said as soon as it has started.
std::optional<Status> sender_says_to(const Notes& notes, const Prepare& prepare = {}) {
  const Scratch scratch;
  fs::create_directory(scratch / "src");
  put(scratch / "src/small", "hello");
  put(scratch / "src/large", pattern(kLargeSize));
  CopyOptions options = archive();
  options.remove_source_files = options.partial = true;
  if (prepare) prepare(scratch, options);
  Loop loop;
  Ring ring(kShape);
  std::optional<Status> status;
  try {
    TreeSource source({scratch / "src"}, options, "receiver");
    source.start(loop, ring, kShape.slot_size);
    for (int turn = 0; turn < 20; ++turn) {
      static_cast<void>(source.poll(true));
      loop.wait(Deadline::in(std::chrono::milliseconds(2)));
    }
    for (const auto& note : notes) source.note(note);
    for (int turn = 0; turn < 50; ++turn) {
      if (const auto event = source.poll(true); event && std::holds_alternative<SourceEnd>(*event)) break;
      loop.wait(Deadline::in(std::chrono::milliseconds(2)));
    }
  } catch (const Error& caught) {
    status = caught.status();
  }
  CHECK(get(scratch / "src/small") == "hello");
  CHECK(get(scratch / "src/large") == pattern(kLargeSize));
  return status;
}

std::vector<std::byte> bytes_of(const std::string& text) {
  std::vector<std::byte> bytes;
  for (const char byte : text) bytes.push_back(static_cast<std::byte>(byte));
  return bytes;
}

}  // namespace

TEST_CASE("a receiver's notes are not trusted") {
  // What is said of no file would fill the sender's memory.
  const auto start = encode(StartNote{});
  const auto verdicts = [](TreeVerdict verdict, std::uint64_t count) {
    return encode(VerdictNote{{{verdict, count}}});
  };
  const auto damaged = std::optional(Status::kDamaged);
  CHECK(sender_says_to({start, verdicts(TreeVerdict::kSend, 3)}) == damaged);
  CHECK(sender_says_to({start, verdicts(TreeVerdict::kSend, ~0ULL >> 2)}) == damaged);
  CHECK(sender_says_to({start, verdicts(static_cast<TreeVerdict>(3), 1)}) == damaged);
  CHECK(sender_says_to({start, verdicts(TreeVerdict::kSkip, 2), verdicts(TreeVerdict::kSkip, 1)}) == damaged);
  CHECK(sender_says_to({start, start}) == damaged);
  CHECK(sender_says_to({start, encode(LeavesNote{77, 0, {Digest128{}}})}) == damaged);
  CHECK(sender_says_to({start, encode(LeavesNote{1, ~0ULL >> 8, {Digest128{}}})}) == damaged);
  CHECK(sender_says_to({start, encode(FailedNote{{77}})}) == damaged);
  const auto leaves_of = [](std::uint64_t entry, std::size_t count) {
    return encode(LeavesNote{entry, 0, std::vector<Digest128>(count)});
  };
  for (const std::uint64_t entry : {0U, 3U}) CHECK(sender_says_to({start, leaves_of(entry, 1)}) == damaged);
  for (const std::uint64_t entry : {1U, 2U}) {
    CHECK(sender_says_to({start, leaves_of(entry, 0)}) == damaged);
    CHECK(sender_says_to({start, leaves_of(entry, 2)}) == damaged);  // more than the file has
    CHECK(sender_says_to({start, leaves_of(entry, 1), verdicts(TreeVerdict::kSkip, 2)}) == damaged);
    CHECK(sender_says_to({start, verdicts(TreeVerdict::kSkip, 2), leaves_of(entry, 1)}) == damaged);
  }
  CHECK(sender_says_to({start, verdicts(TreeVerdict::kResume, 1)}) == damaged);  // of nothing
  const Notes both = {start, leaves_of(1, 1), leaves_of(2, 1), verdicts(TreeVerdict::kResume, 2)};
  CHECK_FALSE(sender_says_to(both).has_value());
  const auto asks_for_no_parts = [](const Scratch&, CopyOptions& options) { options.partial = false; };
  CHECK(sender_says_to(both, asks_for_no_parts) == damaged);
  // Of three names, two of which are one file's.
  const Notes all = {start, leaves_of(1, 1), leaves_of(2, 1), leaves_of(3, 1)};
  CHECK_FALSE(sender_says_to(all, [](const Scratch& scratch, CopyOptions&) {
                put(scratch / "src/third", "three");
              }).has_value());
  CHECK(sender_says_to(all, [](const Scratch& scratch, CopyOptions&) {
          fs::create_hard_link(scratch / "src/large", scratch / "src/third");
        }) == damaged);
  CHECK_FALSE(sender_says_to({start, encode(FailedNote{{0, 1, 2}})}).has_value());
  CHECK(sender_says_to({encode(StartNote{.version = 1})}) == Status::kProtocol);
  CHECK(sender_says_to({bytes_of("")}) == damaged);
  CHECK(sender_says_to({bytes_of("\x2a garbage")}) == damaged);
  CHECK(sender_says_to({start, bytes_of("\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")}) == damaged);
}
