// Status and Error for users of the library. (Installed, this file is the vocabulary header itself.)
#pragma once

#include "ground/exception.h"
