// Words of a shell: taken apart as a shell would, and quoted so that a POSIX shell gives each back as it was.
#pragma once

#include <string>
#include <vector>

namespace rdpipe {

// `word` as one word of a POSIX shell that stands for itself. What needs no quotes gets none, so that a
// command which runs its words without a shell works too.
[[nodiscard]] std::string quote_word(const std::string& word);

// The words of `text`: separated by blanks, with '...', "..." and backslashes as in a shell, and nothing
// else expanded. Throws Error{kUsage} that names `what` for quotes that are not closed or no word at all.
[[nodiscard]] std::vector<std::string> split_words(const std::string& text, const std::string& what);

}  // namespace rdpipe
