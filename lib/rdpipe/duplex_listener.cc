#include "rdpipe/duplex_listener.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "ground/error.h"
#include "rdpipe/fabric_options.h"

namespace rdpipe {
namespace {

constexpr std::size_t kMostArriving = 16;  // their memory is pinned

const DuplexOptions& checked(const DuplexOptions& options) {
  require_valid(options);
  return options;
}

}  // namespace

DuplexListener::DuplexListener(const std::string& port, std::string_view key, const DuplexOptions& options)
    : options_(checked(options)),
      notice_(notice_of(options.connection)),
      acceptor_(listen(loop_, port, fabric_options(options.connection), notice_)),
      lobby_(loop_, *acceptor_, Key(Secret(key)), notice_, {.throttles = true}) {}

std::unique_ptr<DuplexStream> DuplexListener::accept(Deadline deadline) {
  for (bool is_last = false;;) {
    admit();
    if (auto stream = take_agreed()) return stream;
    if (is_last) return nullptr;
    is_last = deadline.passed();
    loop_.wait(deadline);  // also then: what has come is seen here, and only here
  }
}

void DuplexListener::admit() {
  while (arriving_.size() < kMostArriving) {
    auto session = lobby_.poll();
    if (!session) return;
    const std::string peer = session->link().info().peer;
    try {
      auto stream = std::make_unique<DuplexStream>(std::move(session), options_);
      Arrival& arrival = arriving_.emplace_back();
      arrival.stream = std::move(stream);
      arrival.peer = peer;
      arrival.deadline = Deadline::in(options_.connection.connect_timeout);
    } catch (const Error& error) {
      notice_(fmt::format("turned away {}: {}", peer, text_with_hint(error)));
    }
  }
}

std::unique_ptr<DuplexStream> DuplexListener::take_agreed() {
  std::unique_ptr<DuplexStream> agreed;
  for (auto arrival = arriving_.begin(); arrival != arriving_.end() && !agreed;) {
    arrival = advance(*arrival, agreed) ? arriving_.erase(arrival) : std::next(arrival);
  }
  return agreed;
}

// True when it does not wait any longer: it has agreed, or failed.
bool DuplexListener::advance(Arrival& arrival, std::unique_ptr<DuplexStream>& agreed) {
  try {
    if (arrival.stream->agreed()) {
      agreed = std::move(arrival.stream);
      return true;
    }
    if (arrival.deadline.passed()) {
      throw Error(Status::kConnectTimeout, "agree on a stream", "it did not answer in time");
    }
  } catch (const Error& error) {
    arrival.stream->dismiss(error);
    notice_(fmt::format("turned away {}: {}", arrival.peer, error.what()));
    return true;
  }
  loop_.wake_at(arrival.deadline);
  return false;
}

}  // namespace rdpipe
