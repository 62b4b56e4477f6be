#include <sys/file.h>
#include <sys/resource.h>

#include <csignal>

#include "catch.h"
#include "error_of.h"
#include "scratch.h"

namespace rdpipe::test {
namespace {

constexpr std::size_t kSlot = 64_KiB;

struct Writer {
  explicit Writer(bool use_uring = true) : loop(LoopOptions{.use_uring = use_uring}) {}
  void start(Sink& sink, std::optional<std::uint64_t> size = {}) { sink.start(loop, ring, size); }
  void store(Sink& sink, const std::string& bytes, std::size_t piece = kSlot) {
    start(sink, bytes.size());
    feed(loop, ring, sink, bytes, piece);
    commit(loop, sink);
  }
  void store(const std::string& path, const std::string& bytes, FileOptions options = {}) {
    store(*open_file_sink(path, options), bytes);
  }
  Ring ring{RingShape{kSlot, 8}};
  Loop loop;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("A file is stored whole, whatever its size, the back end and O_DIRECT", "[sink]") {
  const auto use_uring = GENERATE(true, false);
  const auto direct = GENERATE(DirectIo::kOff, DirectIo::kAuto, DirectIo::kOn);
  const Scratch scratch;
  Writer writer(use_uring);
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{4095}, std::size_t{4096},
                                 std::size_t{4097}, kSlot - 1, kSlot, kSlot + 1, 5_MiB + 333}) {
    const std::string bytes = pattern(size);
    writer.store(scratch / "out", bytes, {.direct = direct, .fsync = size == 1});
    CHECK(get(scratch / "out") == bytes);
  }
  CHECK(scratch.entries() == Names{"out"});
}

TEST_CASE("Pieces of odd sizes meet in the file", "[sink]") {
  const auto direct = GENERATE(DirectIo::kOff, DirectIo::kOn);
  const Scratch scratch;
  const std::string bytes = pattern(2_MiB + 17);
  const auto sink = open_file_sink(scratch / "out", {.direct = direct});
  Writer().store(*sink, bytes, 10'000);
  CHECK(get(scratch / "out") == bytes);
}

TEST_CASE("A large file is stored whole with a right, a wrong and no idea of its size", "[sink]") {
  const auto hint = GENERATE(std::optional<std::uint64_t>(66_MiB + 1), std::optional<std::uint64_t>(300_MiB),
                             std::optional<std::uint64_t>(64_MiB), std::optional<std::uint64_t>());
  const Scratch scratch;
  const std::string bytes = pattern(66_MiB + 1);
  Writer writer;
  const auto sink = open_file_sink(scratch / "out", {});
  writer.start(*sink, hint);
  feed(writer.loop, writer.ring, *sink, bytes);
  commit(writer.loop, *sink);
  CHECK(get(scratch / "out") == bytes);
}

TEST_CASE("Holes stay holes from file to file", "[sink]") {
  const Scratch scratch;
  put(scratch / "in", pattern(5000));
  const Descriptor file(::open((scratch / "in").c_str(), O_WRONLY | O_CLOEXEC));
  REQUIRE(::pwrite(file.get(), "middle", 6, 5'000'000'000) == 6);
  REQUIRE(::ftruncate(file.get(), 6'000'000'001) == 0);
  Writer writer;
  const auto source = open_file_source(scratch / "in", {});
  const auto sink = open_file_sink(scratch / "out", {});
  copy(writer.loop, writer.ring, *source, *sink);
  CHECK(stat_of(scratch / "out").st_size == 6'000'000'001);
  CHECK(stat_of(scratch / "out").st_blocks <= stat_of(scratch / "in").st_blocks);
  const Descriptor out(::open((scratch / "out").c_str(), O_RDONLY | O_CLOEXEC));
  std::string middle(6, '\0');
  REQUIRE(::pread(out.get(), middle.data(), 6, 5'000'000'000) == 6);
  CHECK(middle == "middle");
}

TEST_CASE("Until it is committed the old target stands, and after a failure nothing else is left", "[sink]") {
  const Scratch scratch;
  put(scratch / "out", "old");
  {
    Writer writer;
    {
      const auto sink = open_file_sink(scratch / "out", {});
      CHECK(scratch.entries() == Names{"out"});
      writer.start(*sink, 1_MiB);
      feed(writer.loop, writer.ring, *sink, pattern(1_MiB));
      CHECK(get(scratch / "out") == "old");
      CHECK(scratch.entries().size() == 2);
    }
    CHECK(writer.ring.free_slots() == writer.ring.shape().slots);
  }
  CHECK(get(scratch / "out") == "old");
  CHECK(scratch.entries() == Names{"out"});
}

TEST_CASE("Whoever gives up while the target is put in place learns whether it was", "[sink]") {
  const Scratch scratch;
  put(scratch / "out", "old");
  Writer writer;
  const auto sink = open_file_sink(scratch / "out", {.fsync = true});
  writer.start(*sink);
  feed(writer.loop, writer.ring, *sink, "new");
  sink->finish();
  for (bool placed = false; !placed; sink->poll()) {
    placed = sink->in_place_after_all();
    CHECK(get(scratch / "out") == (placed ? "new" : "old"));
    if (!placed) wait_for_something(writer.loop);
  }
}

TEST_CASE("A replaced file keeps its mode; a new one has the umask's", "[sink]") {
  const Scratch scratch;
  Writer writer;
  put(scratch / "out", "old");
  REQUIRE(::chmod((scratch / "out").c_str(), 0751) == 0);
  writer.store(scratch / "out", "new");
  CHECK((stat_of(scratch / "out").st_mode & 07777) == 0751);
  put(scratch / "by-open", "");
  writer.store(scratch / "fresh", "new");
  CHECK(stat_of(scratch / "fresh").st_mode == stat_of(scratch / "by-open").st_mode);
}

TEST_CASE("A replaced file keeps its owner where the process may give files away", "[sink]") {
  const Scratch scratch;
  put(scratch / "out", "old");
  if (::chown((scratch / "out").c_str(), 1234, 4321) == -1) {
    WARN("skipped: not permitted to give files away");
    return;
  }
  Writer().store(scratch / "out", "new");
  CHECK(stat_of(scratch / "out").st_uid == 1234);
  CHECK(stat_of(scratch / "out").st_gid == 4321);
}

TEST_CASE("Symlinks are followed and stay, dangling ones too", "[sink]") {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "d");
  put(scratch / "d/real", "old");
  std::filesystem::create_symlink("d/real", scratch / "link");
  std::filesystem::create_symlink("link", scratch / "link2");
  std::filesystem::create_symlink(scratch / "d/absent", scratch / "dangling");
  Writer writer;
  writer.store(scratch / "link2", "new");
  writer.store(scratch / "dangling", "made");
  CHECK(get(scratch / "d/real") == "new");
  CHECK(get(scratch / "d/absent") == "made");
  CHECK(std::filesystem::is_symlink(scratch / "link"));
  CHECK(std::filesystem::is_symlink(scratch / "link2"));
  CHECK(std::filesystem::is_symlink(scratch / "dangling"));
}

TEST_CASE("A name of 255 bytes is no special case", "[sink]") {
  const Scratch scratch;
  std::string name;
  while (name.size() < 252) name += "\xE2\x82\xAC";  // cut inside a character it would be no UTF-8
  const std::string path = scratch / (name + "end");
  Writer().store(path, "new");
  CHECK(get(path) == "new");
}

TEST_CASE("What a killed process left is swept, what another still writes is not", "[sink]") {
  const Scratch scratch;
  put(scratch / ".out.rdpipe-abcdefgh", "left over");
  put(scratch / ".out.rdpipe-bbbbbbbb", "alive");
  put(scratch / ".other.rdpipe-abcdefgh", "of another target");
  const std::string fifo = scratch / ".out.rdpipe-cccccccc";
  REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  const Descriptor reader(::open(fifo.c_str(), O_RDWR | O_CLOEXEC));
  const Descriptor alive(::open((scratch / ".out.rdpipe-bbbbbbbb").c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(::flock(alive.get(), LOCK_EX) == 0);
  Writer writer;
  writer.store(scratch / "out", "new");
  Names names = scratch.entries();
  std::sort(names.begin(), names.end());
  CHECK(names == Names{".other.rdpipe-abcdefgh", ".out.rdpipe-bbbbbbbb", ".out.rdpipe-cccccccc", "out"});
}

TEST_CASE("Two writers of one target do not sweep each other; the later one wins", "[sink]") {
  const Scratch scratch;
  Writer writer;
  const auto first = open_file_sink(scratch / "out", {});
  const auto second = open_file_sink(scratch / "out", {});
  writer.start(*first);
  writer.start(*second);
  feed(writer.loop, writer.ring, *first, "first");
  feed(writer.loop, writer.ring, *second, "second");
  commit(writer.loop, *first);
  CHECK(get(scratch / "out") == "first");
  commit(writer.loop, *second);
  CHECK(get(scratch / "out") == "second");
}

TEST_CASE("What cannot be a target is refused before anything is created", "[sink]") {
  const Scratch scratch;
  const auto refusal = [&](const std::string& leaf) {
    return error_of([&] { static_cast<void>(open_file_sink(scratch / leaf, {})); });
  };
  std::filesystem::create_symlink("loop", scratch / "loop");
  CHECK(refusal("").cause() == "Is a directory");
  CHECK(refusal("new/").cause() == "this directory does not exist");
  for (const auto* path : {"/proc/nope", "/sys/nope"}) {
    const Error error = error_of([&] { static_cast<void>(open_file_sink(path, {})); });
    CHECK(error.status() == Status::kEndpoint);  // at once, and for root too
  }
  CHECK(refusal("no/such").cause() == "No such file or directory");
  CHECK(refusal("loop").cause() == "Too many levels of symbolic links");
  CHECK(refusal("no/such").status() == Status::kEndpoint);
  CHECK(refusal("no/such").attempt().starts_with("store '"));
  CHECK(refusal(std::string(256, 'x')).cause() == "File name too long");
  CHECK(scratch.entries() == Names{"loop"});
}

TEST_CASE("A write that fails ends the transfer and leaves the old target", "[sink]") {
  const auto use_uring = GENERATE(true, false);
  const Scratch scratch;
  put(scratch / "out", "old");
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto disposition = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1_MiB, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const Error error = error_of([&] { Writer(use_uring).store(scratch / "out", pattern(2_MiB)); });
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, disposition);
  CHECK(error.status() == Status::kFileIo);
  CHECK(error.cause() == "File too large");
  CHECK(get(scratch / "out") == "old");
  CHECK(scratch.entries() == Names{"out"});
}

TEST_CASE("/dev/full is a full disk, /dev/null takes all; neither is replaced", "[sink]") {
  Writer writer;
  const Error error = error_of([&] { writer.store("/dev/full", pattern(1_MiB)); });
  CHECK(error.cause() == "No space left on device");
  writer.store("/dev/null", pattern(1_MiB));
  CHECK(S_ISCHR(stat_of("/dev/null").st_mode));
  CHECK(writer.ring.free_slots() == writer.ring.shape().slots);
}

TEST_CASE("In place: the file itself, holes cleared, cut to the stream's length", "[sink]") {
  const Scratch scratch;
  put(scratch / "out", pattern(1_MiB));
  const auto inode = stat_of(scratch / "out").st_ino;
  Writer writer;
  const auto sink = open_file_sink(scratch / "out", {.inplace = true});
  writer.start(*sink, 300'000);
  feed(writer.loop, writer.ring, *sink, "head");
  sink->write_hole(acquire(writer.loop, writer.ring, *sink), 250'000 - 4);
  feed(writer.loop, writer.ring, *sink, "tail");
  commit(writer.loop, *sink);
  CHECK(get(scratch / "out") == "head" + std::string(250'000 - 4, '\0') + "tail");
  CHECK(stat_of(scratch / "out").st_ino == inode);
  CHECK(stat_of(scratch / "out").st_blocks * 512 < 64 * 1024);
}

TEST_CASE("In place: a new file is there, and with fsync so is its name", "[sink]") {
  const Scratch scratch;
  Writer writer;
  writer.store(scratch / "out", "new", {.fsync = true, .inplace = true});
  CHECK(get(scratch / "out") == "new");
}

TEST_CASE("In place: a file that ends in a hole has its length", "[sink]") {
  const Scratch scratch;
  Writer writer;
  const auto sink = open_file_sink(scratch / "out", {.inplace = true});
  writer.start(*sink);
  feed(writer.loop, writer.ring, *sink, "head");
  sink->write_hole(acquire(writer.loop, writer.ring, *sink), 1'000'000);
  commit(writer.loop, *sink);
  CHECK(get(scratch / "out") == "head" + std::string(1'000'000, '\0'));
}

TEST_CASE("A descriptor is written at its position and nothing else in it is touched", "[sink]") {
  const auto use_uring = GENERATE(true, false);
  const Scratch scratch;
  put(scratch / "out", "0123456789" + std::string(20, 'x'));
  const Descriptor file(::open((scratch / "out").c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(::lseek(file.get(), 5, SEEK_SET) == 5);
  Writer writer(use_uring);
  const auto sink = open_descriptor_sink(file.get(), "standard output", {});
  writer.start(*sink);
  feed(writer.loop, writer.ring, *sink, "ABC");
  sink->write_hole(acquire(writer.loop, writer.ring, *sink), 2);
  commit(writer.loop, *sink);
  CHECK(get(scratch / "out") == std::string("01234ABC\0\0", 10) + std::string(20, 'x'));
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 10);
}

TEST_CASE("A descriptor that cannot be written is refused at once, file or pipe", "[sink]") {
  const Scratch scratch;
  put(scratch / "in", "");
  const Descriptor file(::open((scratch / "in").c_str(), O_RDONLY | O_CLOEXEC));
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const Descriptor reader(ends[0]), writer(ends[1]);
  for (const int fd : {file.get(), reader.get()}) {
    const Error error = error_of([&] { static_cast<void>(open_descriptor_sink(fd, "'out'", {})); });
    CHECK(error.status() == Status::kEndpoint);
    CHECK(std::string(error.what()) == "write 'out': Bad file descriptor");
  }
  CHECK_THROWS_AS(open_descriptor_source(writer.get(), "'in'", {}), Error);
}

TEST_CASE("A descriptor's file grows by a hole at the end", "[sink]") {
  const Scratch scratch;
  const Descriptor file(::open((scratch / "out").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  Writer writer;
  const auto sink = open_descriptor_sink(file.get(), "standard output", {});
  writer.start(*sink);
  sink->write_hole(acquire(writer.loop, writer.ring, *sink), 100'000'000'000);
  commit(writer.loop, *sink);
  CHECK(stat_of(scratch / "out").st_size == 100'000'000'000);
  CHECK(::lseek(file.get(), 0, SEEK_CUR) == 100'000'000'000);
}

TEST_CASE("O_APPEND: in order at the end, holes as zeros", "[sink]") {
  const auto use_uring = GENERATE(true, false);
  const Scratch scratch;
  put(scratch / "out", "before");
  const Descriptor file(::open((scratch / "out").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
  const std::string bytes = pattern(3_MiB + 1);
  Writer writer(use_uring);
  const auto sink = open_descriptor_sink(file.get(), "standard output", {});
  writer.start(*sink, bytes.size());
  feed(writer.loop, writer.ring, *sink, bytes, 10'000);
  sink->write_hole(acquire(writer.loop, writer.ring, *sink), 600'000);
  feed(writer.loop, writer.ring, *sink, "after");
  commit(writer.loop, *sink);
  CHECK(get(scratch / "out") == "before" + bytes + std::string(600'000, '\0') + "after");
}

TEST_CASE("However many holes a stream has, no more wait than the ring has slots", "[sink]") {
  const bool append = GENERATE(true, false);
  const Scratch scratch;
  put(scratch / "out", append ? "before" : pattern(512_KiB));
  const Descriptor file(::open((scratch / "out").c_str(), O_WRONLY | O_CLOEXEC | (append ? O_APPEND : 0)));
  Writer writer;
  const auto sink = open_descriptor_sink(file.get(), "standard output", {});
  writer.start(*sink);
  unsigned holes = 0;
  for (; holes < 100; ++holes) {
    auto slot = writer.ring.acquire();
    if (!slot) break;
    sink->write_hole(std::move(*slot), 64_KiB);
  }
  CHECK(holes == 8);
  feed(writer.loop, writer.ring, *sink, "end");
  commit(writer.loop, *sink);
  CHECK(get(scratch / "out") == (append ? "before" : "") + std::string(512_KiB, '\0') + "end");
  CHECK(writer.ring.free_slots() == writer.ring.shape().slots);
}

TEST_CASE("A FIFO is written once somebody reads it", "[sink]") {
  const Scratch scratch;
  REQUIRE(::mkfifo((scratch / "fifo").c_str(), 0600) == 0);
  Writer writer;
  const auto sink = open_file_sink(scratch / "fifo", {});
  writer.start(*sink);
  feed(writer.loop, writer.ring, *sink, "hello");
  sink->finish();
  sink->poll();
  CHECK_FALSE(sink->committed());
  const Descriptor reader(::open((scratch / "fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  std::string bytes(5, '\0');
  std::size_t got = 0;
  const auto deadline = Deadline::in(std::chrono::seconds(20));
  for (sink->poll(); !sink->committed() && !deadline.passed(); sink->poll()) {
    const auto count = ::read(reader.get(), bytes.data() + got, bytes.size() - got);
    if (count > 0) got += static_cast<std::size_t>(count);
    writer.loop.wait(Deadline::in(std::chrono::milliseconds(5)));  // read() above does not wake the loop
  }
  CHECK(sink->committed());
  CHECK(bytes == "hello");
}

}  // namespace rdpipe::test
