// Reads small files into a frame, each behind the head of its record: many in one go, on a worker. Large ones
// are opened, where the receiver is in this process and takes them so. Blocks.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tree/directory.h"
#include "tree/local_files.h"
#include "tree/walk.h"

namespace rdpipe {

struct FrameContent {
  std::size_t size = 0;  // bytes of the frame that are in use
  std::vector<std::string> lines{};
  std::uint64_t failed = 0, vanished = 0;
  std::uint64_t bytes = 0;              // of files
  std::vector<std::uint64_t> unread{};  // entries of which no content went out
};

// Room that `item` may need in a frame, bytes.
[[nodiscard]] std::size_t room_for(const SourceItem& item);

// Appends the records of `items` to the first `used` bytes of `frame`; there is room for them. `local`: where
// files that are passed on go, for which it has room; may be null where none is.
[[nodiscard]] FrameContent fill_frame(std::span<std::byte> frame, std::size_t used,
                                      const std::vector<SourceItem>& items, bool follow,
                                      DirectoryCache& cache, LocalFiles* local);

}  // namespace rdpipe
