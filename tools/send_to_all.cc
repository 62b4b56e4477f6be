#include "send_to_all.h"

#include <utility>
#include <vector>

namespace rdpipe::tools {
namespace {

std::vector<Receiver> receivers_of(const std::vector<Target>& targets) {
  std::vector<Receiver> receivers;
  receivers.reserve(targets.size());
  for (const Target& target : targets) receivers.push_back({target.host, target.port});
  return receivers;
}

// The key goes when it has done its work.
FanOut connect(const Settings& settings, Input input, KeyText key, Monitor& monitor) {
  FanOutOptions fan_out = settings.fan_out;
  fan_out.failed = [&monitor](const ReceiverResult& receiver) { monitor.receiver_ended(receiver); };
  return {std::move(input), receivers_of(settings.targets), key.text(), fan_out, settings.connection};
}

}  // namespace

void send_to_all(const Settings& settings, Input input, KeyText key, Monitor& monitor) {
  FanOut fan_out = connect(settings, std::move(input), std::move(key), monitor);
  monitor.finish(fan_out.send());
}

}  // namespace rdpipe::tools
