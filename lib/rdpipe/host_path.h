// What an operand of rdcp names, for users of the library. (Installed, this file is the vocabulary header
// itself.)
#pragma once

#include "launch/host_path.h"
