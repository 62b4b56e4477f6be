// What a call throws.
#pragma once

#include "catch.h"
#include "ground/error.h"

namespace rdpipe {

// Fails where it throws no Error.
template <typename Call>
Error error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no error");
  return {Status::kOk, "", ""};
}

}  // namespace rdpipe
