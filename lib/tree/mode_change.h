// --chmod, as rsync means it: a list of changes, each for directories ("D"), files ("F") or both, in letters
// ("u+rw,go-w,a=rX") or in octal. Pure; any thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace rdpipe {

class ModeChange {
 public:
  ModeChange() = default;
  // Nothing for a malformed text. A letter without "ugoa" leaves the bits of `umask` alone.
  [[nodiscard]] static std::optional<ModeChange> parse(const std::string& text, mode_t umask);
  [[nodiscard]] bool empty() const { return clauses_.empty(); }
  // What becomes of the permission bits (07777) of a directory or of anything else.
  [[nodiscard]] mode_t apply(mode_t mode, bool is_directory) const;

 private:
  struct Clause {
    bool directories = true, others = true;
    mode_t clears = 0;           // these go first
    mode_t sets = 0;             // these come
    mode_t sets_if_any_x = 0;    // of X: come where it is a directory or somebody may execute it
    mode_t clears_if_any_x = 0;  // "-X"
    // "g=u", "o-g": for these (of 0777) the bits that `copied` (0700, 0070 or 0007) has now.
    mode_t copied = 0, copies_to = 0;
    bool copies_away = false;  // they go, not come
  };
  [[nodiscard]] static mode_t copied_bits(const Clause& clause, mode_t mode);
  [[nodiscard]] static std::optional<Clause> parse_clause(std::string text, mode_t umask);
  std::vector<Clause> clauses_;
};

}  // namespace rdpipe
