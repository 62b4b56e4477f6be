// What a copy of trees is asked for, and what became of it, for the tools.
#pragma once

#include "tree/copy.h"
