// What a copy of trees is asked for, and what became of it, for users of the library. (Installed, this file
// is the vocabulary header itself.)
#pragma once

#include "tree/copy.h"
