// How what is thrown becomes errno and a text.
#include <cerrno>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "catch.h"
#include "rdpipe/c_result.h"
#include "rdpipe/rdpipe.h"

using namespace rdpipe;

namespace {

template <typename Thrown>
int errno_for(const Thrown& thrown, ErrnoOf its_errno = errno_of) {
  errno = 0;
  CHECK(guarded(
            -1, [&]() -> int { throw thrown; }, its_errno) == -1);
  return errno;
}

std::string text_for(const Error& thrown) {
  errno_for(thrown);
  return rdpipe_last_error();
}

Error from_peer(Status status) {
  Error error(status, "write", "it failed");
  error.set_from_peer();
  return error;
}

}  // namespace

TEST_CASE("results: whatever is thrown becomes errno") {
  CHECK(errno_for(Error(Status::kDamaged, "read", "altered")) == EBADMSG);
  CHECK(errno_for(std::bad_alloc()) == ENOMEM);
  CHECK(errno_for(std::runtime_error("so")) == EIO);
  CHECK(errno_for(7) == EIO);
}

TEST_CASE("results: a stream that its peer has ended is over, whatever the peer calls it") {
  const auto status = GENERATE(Status::kUsage, Status::kProtocol, Status::kEndpoint, Status::kAuthentication,
                               Status::kNetwork, Status::kFileIo, Status::kDamaged, Status::kMemory,
                               Status::kTimeout, Status::kConnectTimeout);
  const int value = errno_for(from_peer(status), errno_of_stream);
  CHECK((value == EBADMSG || value == EPROTO || value == ENOMEM || value == EIO));
  const Error own(status, "write", "it failed");
  CHECK(errno_of_stream(own) == errno_of(own));
}

TEST_CASE("results: a text says attempt, cause and hint") {
  CHECK(text_for(Error(Status::kNetwork, "connect", "refused")) == "connect: refused");
  CHECK(text_for(Error(Status::kNetwork, "connect", "refused", "try again")) ==
        "connect: refused: try again");
}

TEST_CASE("results: hints leave out the tools and their options") {
  const auto hinted = [](const char* hint) { return text_for(Error(Status::kUsage, "a", "b", hint)); };
  CHECK(hinted("rdma link show lists devices; --fabric=tcp does without") ==
        "a: b: rdma link show lists devices");
  CHECK(hinted("is it running? Or it was taken: each rdrecv takes one.") == "a: b: is it running?");
  CHECK(hinted("--slot sets the size of a slot") == "a: b");
  CHECK(hinted("check host and port; or it is slow") == "a: b: check host and port; or it is slow");
}

TEST_CASE("results: a text that is too long is cut between two characters") {
  for (std::size_t before = 1000; before < 1030; ++before) {
    std::string text(before, 'x');
    for (int i = 0; i < 20; ++i) text += "\u20ac";  // three bytes
    fail_with(EIO, text);
    const std::string_view cut = rdpipe_last_error();
    CHECK(cut.size() <= 1023);
    CHECK(cut.size() > 1020);
    CHECK(text.starts_with(cut));
    CHECK((cut.size() <= before || (cut.size() - before) % 3 == 0));
  }
}
