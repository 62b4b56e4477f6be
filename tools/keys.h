// Where a key comes from: a file, a descriptor, the environment or the terminal.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "interrupts.h"
#include "key_text.h"
#include "settings.h"

namespace rdpipe::tools {

// What stands in for the key of a server that has none: as good as none, since everybody knows it.
constexpr std::string_view kNoKey = "0000000000000000000000000000000000000000000000000000000000000000";

// Throws Error{kAuthentication} where the key is to come from a descriptor that is not open: one that this
// process opens later must not be taken for it.
void require_open(const KeyChoice& choice);
// The key's text; a signal ends the waiting for it. Throws Error{kAuthentication} where there is none.
[[nodiscard]] KeyText read_key(KeyChoice choice, Interrupts& interrupts);

// Throws Error{kAuthentication} for the open file of keys `path` where others may read or write it, or its
// group may write it.
void require_private(int fd, const std::string& path, const std::string& attempt);

// What the key came from no command gets: not the descriptor, nor one of the same file.
void hide_from_commands(const std::optional<int>& key_fd, const std::optional<std::string>& key_file);

// What is probably not meant about this key, for a warning; empty: nothing.
[[nodiscard]] std::string doubt_about(std::string_view key);

}  // namespace rdpipe::tools
