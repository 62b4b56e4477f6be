// A file of named keys, for a server. One a line: `NAME KEY [dir=DIRECTORY] [read] [write]`. Blank lines and
// those that begin with '#' are skipped, and a '\r' at the end of a line. NAME is 1 to 64 letters, digits,
// '.', '_', '-' and '@'. A word with blanks in it is put in double quotes, where a backslash takes the next
// character as it is; dir="a b" is understood as well. DIRECTORY is beneath the server's. Who has neither
// `read` nor `write` may do both.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <rdpipe/serve.h>

namespace rdpipe::tools {

// `path` is a regular file of at most 1 MiB that others can neither read nor write, and its group not write.
// Names differ, and so do keys. Throws Error{kAuthentication} that says which line is wrong; no text of a
// line is in it, as that could be a key. `warn` hears what is probably not meant.
[[nodiscard]] std::vector<ServedKey> read_key_list(const std::string& path,
                                                   const std::function<void(const std::string&)>& warn);

}  // namespace rdpipe::tools
