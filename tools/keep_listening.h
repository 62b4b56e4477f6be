// rdrecv --keep-listening: one sender after another, each into a file or a command of its own.
#pragma once

#include <optional>

#include "monitor.h"

namespace rdpipe::tools {

// Returns when a signal has ended it while no stream was under way. What fails is told in one line, here and
// to its sender, and the next sender is waited for. Throws Error for what ends the listening itself, and
// {kSignal} when a stream was interrupted.
void keep_listening(const Settings& settings, Listener listener, const std::optional<NextReceiver>& next,
                    Monitor& monitor);

}  // namespace rdpipe::tools
