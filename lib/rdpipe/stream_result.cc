#include "rdpipe/stream_result.h"

#include "seal/digest.h"

namespace rdpipe {

Result result_of(const StreamResult& stream) {
  Result result;
  result.bytes = stream.bytes;
  result.data_bytes = stream.data_bytes;
  result.wire_bytes = stream.wire_bytes;
  result.elapsed = stream.elapsed;
  if (stream.root) result.digest = hex(*stream.root);
  result.hash = stream.hash;
  result.warning = stream.warning;
  return result;
}

}  // namespace rdpipe
