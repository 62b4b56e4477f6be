#include <future>

#include "catch.h"
#include "error_of.h"
#include "files/file_source.h"
#include "scratch.h"

namespace rdpipe::test {
namespace {

constexpr std::size_t kSlot = 64_KiB;

struct Reader {
  explicit Reader(bool use_uring = true, bool has_device = false)
      : loop(LoopOptions{.use_uring = use_uring}) {
    if (has_device) ring.attach_device();
  }
  Content read(const std::string& path, DirectIo direct = DirectIo::kAuto) {
    const auto source = open_file_source(path, {.direct = direct});
    source->start(loop, ring, kSlot);
    return drain(loop, *source);
  }
  Ring ring{RingShape{kSlot, 8}};
  Loop loop;
};

}  // namespace

TEST_CASE("A file is read whole, whatever its size, the back end and O_DIRECT", "[source]") {
  const auto use_uring = GENERATE(true, false);
  const auto direct = GENERATE(DirectIo::kOff, DirectIo::kAuto, DirectIo::kOn);
  const auto has_device = GENERATE(false, true);
  const Scratch scratch;
  Reader reader(use_uring, has_device);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4095}, std::size_t{4096},
                                 std::size_t{4097}, kSlot - 1, kSlot, kSlot + 1, 5_MiB + 333}) {
    const std::string bytes = pattern(size);
    put(scratch / "file", bytes);
    CHECK(reader.read(scratch / "file", direct).bytes == bytes);
  }
}

TEST_CASE("Nothing is read ahead of a file that is still being opened for direct reads", "[source]") {
  const Scratch scratch;
  put(scratch / "file", pattern(4_MiB));
  Reader reader;
  const auto source = open_file_source(scratch / "file", {.direct = DirectIo::kOn});
  source->start(reader.loop, reader.ring, kSlot);
  const std::size_t free = reader.ring.free_slots();
  source->read_ahead();
  CHECK(reader.ring.free_slots() == free);
  CHECK(drain(reader.loop, *source).bytes == pattern(4_MiB));
}

TEST_CASE("A cold file above the threshold is read whole", "[source]") {
  const Scratch scratch;
  const std::string bytes = pattern(65_MiB + 4097);
  put(scratch / "file", bytes);
  const Descriptor file(::open((scratch / "file").c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(::fsync(file.get()) == 0);
  REQUIRE(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0);
  CHECK(Reader().read(scratch / "file").bytes == bytes);
}

TEST_CASE("Holes are told and not read", "[source]") {
  const Scratch scratch;
  put(scratch / "file", pattern(5000));
  const Descriptor file(::open((scratch / "file").c_str(), O_WRONLY | O_CLOEXEC));
  REQUIRE(::pwrite(file.get(), "middle", 6, 5'000'000'000) == 6);
  REQUIRE(::ftruncate(file.get(), 200'000'000'001) == 0);
  const Content content = Reader().read(scratch / "file");
  CHECK(content.bytes.size() < 32_KiB);
  CHECK(content.bytes.find("middle") != std::string::npos);
  CHECK(content.bytes.size() + content.hole_bytes == 200'000'000'001);
}

TEST_CASE("A file that shrinks while it is read is an error, not an end", "[source]") {
  const Scratch scratch;
  put(scratch / "file", pattern(3_MiB));
  Reader reader;
  const auto source = open_file_source(scratch / "file", {});
  REQUIRE(source->size_hint() == 3_MiB);
  source->start(reader.loop, reader.ring, kSlot);
  REQUIRE(std::holds_alternative<Filled>(next(reader.loop, *source)));
  REQUIRE(::truncate((scratch / "file").c_str(), 2_MiB) == 0);
  const Error error = error_of([&] { drain(reader.loop, *source); });
  CHECK(error.status() == Status::kFileIo);
  CHECK(error.cause() == "file shrank while it was read");
}

TEST_CASE("A sparse file that shrinks does not end in zeros that were never there", "[source]") {
  const Scratch scratch;
  put(scratch / "file", "x");
  REQUIRE(::truncate((scratch / "file").c_str(), 1_GiB) == 0);
  Reader reader;
  const auto source = open_file_source(scratch / "file", {});
  REQUIRE(::truncate((scratch / "file").c_str(), 1_MiB) == 0);
  source->start(reader.loop, reader.ring, kSlot);
  CHECK(error_of([&] { drain(reader.loop, *source); }).cause() == "file shrank while it was read");
}

TEST_CASE("What is appended while a file is read is read too", "[source]") {
  const Scratch scratch;
  const std::string before = pattern(1_MiB + 5);
  put(scratch / "file", before);
  Reader reader;
  const auto source = open_file_source(scratch / "file", {});
  std::ofstream(scratch / "file", std::ios::app | std::ios::binary) << "and more";
  source->start(reader.loop, reader.ring, kSlot);
  CHECK(drain(reader.loop, *source).bytes == before + "and more");
}

TEST_CASE("Files of /proc and /sys, whose size means nothing, are read to their end", "[source]") {
  for (const std::string path : {"/proc/version", "/sys/kernel/mm/transparent_hugepage/enabled"}) {
    const std::string expected = get(path);
    if (expected.empty()) {
      WARN("skipped: there is no " << path);
      continue;
    }
    CHECK_FALSE(open_file_source(path, {})->size_hint());
    CHECK(Reader().read(path).bytes == expected);
  }
}

TEST_CASE("A descriptor is read from its position and left behind the last byte", "[source]") {
  const Scratch scratch;
  const std::string bytes = pattern(1_MiB);
  put(scratch / "file", bytes);
  const Descriptor file(::open((scratch / "file").c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(::lseek(file.get(), 777, SEEK_SET) == 777);
  Reader reader;
  const auto source = open_descriptor_source(file.get(), "standard input", {});
  CHECK(source->size_hint() == bytes.size() - 777);
  source->start(reader.loop, reader.ring, kSlot);
  CHECK(drain(reader.loop, *source).bytes == bytes.substr(777));
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == static_cast<off_t>(bytes.size()));
}

TEST_CASE("A source that is dropped half-way brings all slots home", "[source]") {
  const auto direct = GENERATE(DirectIo::kOff, DirectIo::kOn);
  const auto has_device = GENERATE(false, true);
  const Scratch scratch;
  put(scratch / "file", pattern(4_MiB));
  Reader reader(true, has_device);
  {
    const auto source = open_file_source(scratch / "file", {.direct = direct});
    source->start(reader.loop, reader.ring, kSlot);
    static_cast<void>(next(reader.loop, *source));
  }
  CHECK(reader.ring.free_slots() == reader.ring.shape().slots);
}

TEST_CASE("What is cached is read by workers where a device takes it, and in the loop's thread elsewhere") {
  const auto has_device = GENERATE(false, true);
  const Scratch scratch;
  put(scratch / "file", pattern(4_MiB));
  Loop loop(LoopOptions{.workers = 1});
  Ring ring(RingShape{kSlot, 8});
  if (has_device) ring.attach_device();
  std::promise<void> let_go;
  Operation busy;
  loop.run(busy, [held = let_go.get_future().share()]() -> std::int64_t {
    held.wait();
    return 0;
  });
  const auto source = open_file_source(scratch / "file", {});
  source->start(loop, ring, kSlot);
  std::optional<SourceEvent> first;
  const Deadline patience = Deadline::in(std::chrono::milliseconds(has_device ? 100 : 20000));
  while (!(first = source->poll(true)) && !patience.passed()) loop.wait(patience);
  CHECK(first.has_value() != has_device);
  let_go.set_value();
  first.reset();
  CHECK(drain(loop, *source).bytes.size() == (has_device ? 4_MiB : 4_MiB - kSlot));
}

TEST_CASE(
    "What workers have read comes with its leaves where they are expected, and is right where a file grows") {
  const auto expected = GENERATE(false, true);
  const auto limit = GENERATE(std::optional<std::uint64_t>(), 5 * kSlot + 100, 5 * kSlot, 7 * kSlot);
  const Scratch scratch;
  put(scratch / "file", pattern(7 * kSlot));
  Loop loop;
  Ring ring(RingShape{2 * kSlot, 8});
  ring.attach_device();
  if (expected) ring.expect_leaves();
  Descriptor fd(::open((scratch / "file").c_str(), O_RDONLY | O_CLOEXEC));
  const int file = fd.get();
  FileSource source(std::move(fd), file, 0, "file", {}, limit);
  source.start(loop, ring, 2 * kSlot);
  std::uint64_t with_leaves = 0;
  for (auto event = next(loop, source); !std::holds_alternative<SourceEnd>(event);
       event = next(loop, source)) {
    const auto& filled = std::get<Filled>(event);
    if (filled.leaves.empty()) continue;
    with_leaves += filled.slot.size();
    CHECK(filled.leaves == leaves_of(filled.slot.filled()));
  }
  CHECK((with_leaves >= 4 * kSlot) == expected);
}

TEST_CASE("A FIFO waits for its writer and ends when it goes", "[source]") {
  const Scratch scratch;
  REQUIRE(::mkfifo((scratch / "fifo").c_str(), 0600) == 0);
  Reader reader;
  const auto source = open_file_source(scratch / "fifo", {});
  source->start(reader.loop, reader.ring, kSlot);
  CHECK_FALSE(source->poll(true));
  put(scratch / "fifo", "hello");
  CHECK(drain(reader.loop, *source).bytes == "hello");
}

TEST_CASE("What cannot be a source is refused when it is opened", "[source]") {
  const Scratch scratch;
  CHECK(error_of([&] { static_cast<void>(open_file_source(scratch / "", {})); }).cause() == "Is a directory");
  const Error missing = error_of([&] { static_cast<void>(open_file_source(scratch / "none", {})); });
  CHECK(missing.status() == Status::kEndpoint);
  CHECK(missing.attempt().starts_with("open '"));
  const Descriptor write_only(::open((scratch / "out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  CHECK_THROWS_AS(open_descriptor_source(write_only.get(), "standard input", {}), Error);
}

}  // namespace rdpipe::test
