// Compression, as the tools see it.
#pragma once

#include "seal/compression.h"
