// Descriptors that others may share, written to without waiting, for the tools.
#pragma once

#include "ground/shared_output.h"
