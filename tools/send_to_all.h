// rdsend with several -O: one stream to all of them.
#pragma once

#include "key_text.h"
#include "monitor.h"
#include "settings.h"

namespace rdpipe::tools {

// Throws Error where fewer have committed than are asked for; `monitor` has then told of each.
void send_to_all(const Settings& settings, Input input, KeyText key, Monitor& monitor);

}  // namespace rdpipe::tools
