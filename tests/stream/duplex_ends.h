// Two ends of a duplex for tests, over whatever links are given, and what moves data between them. The ends
// may be used on one thread, in turns, or each on its own.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "ground/error.h"
#include "io/loop.h"
#include "session/session.h"
#include "stream/duplex.h"
#include "transport/dial.h"
#include "transport/one_link.h"

namespace rdpipe {

struct DuplexSetup {
  RingShape shape{16_KiB, 8};
  Choice seal = Choice::kNo;
  Choice digest = Choice::kAuto;
  std::optional<Nanoseconds> busy_poll{};
};

inline Deadline soon() { return Deadline::in(std::chrono::seconds(60)); }

inline Key duplex_key() { return Key(Secret(std::string(64, '7'))); }

// Without Catch's assertions, which are for one thread only.
inline void demand(bool fact, const char* what) {
  if (!fact) throw Error(Status::kDamaged, "test", what);
}

// Members in the order of their lives.
struct DuplexEnd {
  explicit DuplexEnd(const DuplexSetup& its_setup)
      : setup(its_setup), sending(setup.shape), receiving(setup.shape) {}

  void agree() {
    session->link().attach(sending);
    session->link().attach(receiving);
    Offer offer;
    offer.role = Role::kBoth;
    offer.content = Content::kDuplex;
    offer.slot_size = static_cast<std::uint32_t>(setup.shape.slot_size);
    offer.seal = setup.seal;
    offer.digest = setup.digest;
    static_cast<void>(session->exchange(loop, offer, soon()));
  }
  void start() { duplex.emplace(loop, *session, sending, receiving, setup.busy_poll); }
  Duplex& operator*() { return *duplex; }
  Duplex* operator->() { return &*duplex; }

  DuplexSetup setup;
  Loop loop{LoopOptions{.use_uring = false}};
  Ring sending, receiving;
  std::unique_ptr<Session> session;
  std::optional<Duplex> duplex;
};

using Links = std::pair<std::unique_ptr<Link>, std::unique_ptr<Link>>;
using LinkMaker = std::function<Links(Loop&, Loop&)>;

inline Links meet(Loop& a, Dial& dial, Loop& b, Acceptor& acceptor) {
  Links links;
  const Deadline limit = soon();
  while (!links.first || !links.second) {
    if (!links.first) links.first = dial.poll();
    if (!links.second) links.second = acceptor.poll();
    demand(!limit.passed(), "no connection");
    a.wait(Deadline::in(std::chrono::milliseconds(1)));
    b.wait(Deadline::in(std::chrono::milliseconds(1)));
  }
  return links;
}

struct DuplexPair {
  explicit DuplexPair(const LinkMaker& make_links, const DuplexSetup& setup = {}, bool started = true)
      : a(std::make_unique<DuplexEnd>(setup)), b(std::make_unique<DuplexEnd>(setup)) {
    Links links = make_links(a->loop, b->loop);
    std::exception_ptr thrown;
    std::thread connector([&] {
      try {
        a->session = authenticate(a->loop, std::move(links.first), duplex_key(), soon());
        a->agree();
      } catch (...) {
        thrown = std::current_exception();
      }
    });
    accept(std::move(links.second));
    connector.join();
    if (thrown) std::rethrow_exception(thrown);
    if (!started) return;
    a->start();
    b->start();
  }

  std::unique_ptr<DuplexEnd> a, b;  // the one that has connected, the one that has accepted

 private:
  void accept(std::unique_ptr<Link> link) {
    OneLink acceptor(std::move(link));
    Lobby lobby(b->loop, acceptor, duplex_key(), [](const std::string&) {});
    while (!(b->session = lobby.poll())) b->loop.wait(soon());
    b->agree();
  }
};

// What a direction carries: bytes that tell their offset.
class Flow {
 public:
  explicit Flow(unsigned seed) : bytes_(kPeriod + kMost) {
    std::minstd_rand random(seed);
    for (std::size_t i = 0; i < kPeriod; ++i) bytes_[i] = static_cast<std::byte>(random() >> 7);
    std::copy_n(bytes_.begin(), kMost, bytes_.begin() + kPeriod);
  }
  static constexpr std::size_t kMost = 65536;
  [[nodiscard]] std::span<const std::byte> at(std::uint64_t offset, std::size_t count) const {
    return std::span(bytes_).subspan(offset % kPeriod, count);
  }
  [[nodiscard]] bool is_at(std::uint64_t offset, std::span<const std::byte> bytes) const {
    return std::ranges::equal(at(offset, bytes.size()), bytes);
  }

 private:
  static constexpr std::size_t kPeriod = 65521;
  std::vector<std::byte> bytes_;
};

// Mostly small.
inline std::size_t random_size(std::minstd_rand& random) {
  const std::size_t most =
      std::array<std::size_t, 8>{8, 64, 64, 200, 200, 1000, 3000, 40000}.at(random() % 8);
  return 1 + random() % most;
}

// One thread, both directions: `messages` of random sizes are written while what the peer writes is read.
// Returns how many bytes were read.
inline std::uint64_t talk(Duplex& duplex, unsigned mine, unsigned theirs, int messages) {
  const Flow out(mine), in(theirs);
  std::minstd_rand random(mine);
  std::vector<std::byte> buffer(Flow::kMost);
  std::uint64_t written = 0, read = 0;
  std::span<const std::byte> rest;
  bool ended = false;
  while (!ended) {
    const bool writes = !duplex.is_shut_down();
    const unsigned possible =
        duplex.wait(writes ? Duplex::kReadable | Duplex::kWritable : Duplex::kReadable, soon());
    demand(possible != 0, "nothing happens");
    if ((possible & Duplex::kReadable) != 0) {
      const auto into = std::span(buffer).first(random_size(random));
      const auto count = duplex.read(into, Deadline::now());
      demand(count.has_value(), "readable, and nothing to read");
      demand(in.is_at(read, into.first(*count)), "wrong bytes");
      read += *count;
      ended = *count == 0;
    }
    if (!writes || (possible & Duplex::kWritable) == 0) continue;
    if (rest.empty() && messages-- > 0) rest = out.at(written, random_size(random));
    const std::size_t count = duplex.write(rest, Deadline::now());
    written += count;
    rest = rest.subspan(count);
    if (rest.empty() && messages <= 0) duplex.shut_down();
  }
  demand(duplex.close(soon()) == Duplex::Closing::kDone, "not closed");
  return read;
}

// Writes back whatever comes until it ends.
inline void echo(Duplex& duplex) {
  std::vector<std::byte> buffer(Flow::kMost);
  while (const auto count = duplex.read(buffer, soon()).value()) {
    demand(duplex.write(std::span(buffer).first(count), soon()) == count, "not written");
  }
  demand(duplex.close(soon()) == Duplex::Closing::kDone, "not closed");
}

// Runs `a` and `b` at once; throws what either throws.
inline void at_once(const std::function<void()>& a, const std::function<void()>& b) {
  std::exception_ptr thrown;
  std::thread other([&] {
    try {
      b();
    } catch (...) {
      thrown = std::current_exception();
    }
  });
  try {
    a();
  } catch (...) {
    other.join();
    throw;
  }
  other.join();
  if (thrown) std::rethrow_exception(thrown);
}

inline std::size_t write_text(Duplex& duplex, std::string_view text, Deadline deadline = Deadline::now()) {
  return duplex.write(std::as_bytes(std::span(text)), deadline);
}

// At most `most` bytes; "(late)" when none came in time.
inline std::string read_text(Duplex& duplex, std::size_t most = 1000, Deadline deadline = soon()) {
  std::string text(most, '\0');
  const auto count = duplex.read(std::as_writable_bytes(std::span(text)), deadline);
  if (!count) return "(late)";
  text.resize(*count);
  return text;
}

template <typename Call>
Status status_of(Call call) {
  try {
    call();
    return Status::kOk;
  } catch (const Error& error) {
    return error.status();
  }
}

}  // namespace rdpipe
