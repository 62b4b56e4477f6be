#include "ground/descriptor.h"

#include <unistd.h>

namespace rdpipe {

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace rdpipe
