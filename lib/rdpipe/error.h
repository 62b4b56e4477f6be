// Status and Error, for the tools.
#pragma once

#include "ground/exception.h"
