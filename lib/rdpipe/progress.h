// How far a stream is, for the tools.
#pragma once

#include "stream/progress.h"
