// How far it is, as text for people: as many parts as fit, the more important first. Columns are counted so
// that nothing is wider than it seems: what is not ASCII counts twice.
#pragma once

#include <cstddef>
#include <string>

#include "reading.h"

namespace rdpipe::tools {

// "12.30 GB  45%  1.20 GB/s  0:00:12 left  mean 1.10 GB/s  buffer 50%  RDMA (mlx5_0)"; of less than `width`
// columns, so that the cursor stays in the line.
[[nodiscard]] std::string progress_text(const Reading& reading, std::size_t width);
// The same once all is in its place: "12.30 GB  100%  1.10 GB/s  in 0:00:11  RDMA (mlx5_0)".
[[nodiscard]] std::string final_text(const Reading& reading, std::size_t width);

// "12.30 M", without the unit's name; "512 " below 1000.
[[nodiscard]] std::string scaled(double value);

}  // namespace rdpipe::tools
