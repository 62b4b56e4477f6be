// What an operand of rdcp names, for the tools.
#pragma once

#include "launch/host_path.h"
