// --direct for large files, as lib/files means it.
#pragma once

#include "files/files.h"
#include "tree/copy.h"

namespace rdpipe {

[[nodiscard]] constexpr DirectIo direct_of(CopyDirect direct) {
  return direct == CopyDirect::kOn    ? DirectIo::kOn
         : direct == CopyDirect::kOff ? DirectIo::kOff
                                      : DirectIo::kAuto;
}

}  // namespace rdpipe
