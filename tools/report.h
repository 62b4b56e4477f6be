// All that the tools print: one line for one thing, on standard error, in one write; and what was asked for,
// on standard output.
#pragma once

#include <string>

#include <rdpipe/connection.h>

#include "settings.h"

namespace rdpipe::tools {

// Words of the command line and of other hosts come back in what is printed, and may hold anything: in all of
// these control characters become '?'.

// All but `kept`.
void hide_controls(std::string& text, unsigned char kept = 0);

// --help and the like, of several lines. Throws Error{kFileIo} when standard output takes it not.
void print_answer(std::string text);
void print_answer_line(std::string line);  // the same, one line

// Without control characters, and with its end.
[[nodiscard]] std::string line_text(std::string line);
void print_line(std::string line);
void print_error(Tool tool, const Error& error);  // and its hint
void print_notice(Tool tool, const std::string& text);

// "Bandwidth 5.103 GB/s, 1073741824 bytes in 0.210 s, RDMA (mlx5_0), not sealed, digest 0123..."
[[nodiscard]] std::string result_text(Tool tool, const Result& result);
// The same of one of several: "rdsend: db2:9090: committed: Bandwidth ...", or "... failed with status 11:
// ...".
[[nodiscard]] std::string receiver_text(Tool tool, const ReceiverResult& receiver);
// "sha256 0123...": what --hash asked for.
[[nodiscard]] std::string hash_text(const std::string& algorithm, const Result& result);

// ", compressed 3.44:1 to 31213 B": of what crossed the line; empty where nothing did.
[[nodiscard]] std::string compression_text(std::uint64_t bytes, std::uint64_t wire_bytes);
// "4.759 GB/s"; MB/s or kB/s where it is less.
[[nodiscard]] std::string rate_text(double bytes_per_second, int decimals = 3);
// The time as logs have it: "2024-05-01T12:00:00.123Z" (RFC 3339).
[[nodiscard]] std::string utc_now();

}  // namespace rdpipe::tools
