#include "launch/group_guard.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

#include "ground/await_ready.h"

namespace rdpipe {
namespace {

constexpr Nanoseconds kFarewell = std::chrono::seconds(1);

// Its input ends when this process does, or says so; its output is what it holds. It has its signals
// blocked, so that those to the group miss it, but for SIGKILL. Before it kills the group, and so itself, it
// hands what it holds to one that is in no danger, which lets go of it when all of the group are dead: those
// of another user are not killed. It says since when there is a group; where /proc is that of other
// processes, for ever.
constexpr auto kScript = R"(
trap 'kill -s KILL 0' EXIT
exec 3>&1 >/dev/null
{ read -r line </proc/self/stat; } 2>/dev/null
case $line in "$$ "*) set -- "$1" ${line##*) } ;; esac
while read -r word; do
  case $word in held) exec 3>&- ;; done) trap - EXIT; exit 0 ;; esac
done
since=${21:-9999999999999999}
setsid /bin/sh -c "$1" rdpipe-holder $$ "$since" </dev/null 4>&1 >&3 3>&- | { read -r ready; kill -s KILL 0; })";

// What is a zombie is dead; what may not be killed lives, also where it cannot be seen. Who has left the
// group and reads the pipe that is held is ended, too, with its new group, and at once, with those who are
// just being started: else one would see the end of another. Only where others are in that group, from
// before, one by one, and in those that are never its own. What descriptors lead to is not touched, as that
// may hang. One look may miss who is just being started. Who reads its standard error may be gone, so that
// nothing is written there.
constexpr auto kHolderScript = R"sh(
LC_ALL=C
export LC_ALL
held=$(readlink "/proc/$$/fd/1")
reads() {
  case $held in pipe:*) ;; *) return 1 ;; esac
  case $(ls -l "/proc/$1/fd") in *" $held"*) ;; *) return 1 ;; esac
  for fd in "/proc/$1/fd"/*; do
    [ "$(readlink "$fd")" = "$held" ] || continue
    while read -r key value; do
      case $key$value in flags:*1) ;; flags:*) return 0 ;; esac
    done <"/proc/$1/fdinfo/${fd##*/}"
  done
  return 1
}
lives() {
  case $(kill -s 0 -- "-$1" 2>&1) in *ermitted*) return 0 ;; esac
  found=1 young= groups=' ' others=' 0 1 ' doomed=
  for stat in /proc/[0-9]*/stat; do
    read -r line <"$stat" || continue
    set -- "$1" "$2" ${line##*) }
    case $3 in Z | X) continue ;; esac
    if [ "$5" = "$1" ]; then
      found=0
    elif [ "${22}" -ge "$2" ]; then
      young="$young ${line%% *}:$5"
      ! reads "${line%% *}" || groups="$groups$5 "
    else
      others="$others$5 "
    fi
  done
  for process in $young; do
    group=${process#*:}
    case $groups in *" $group "*) found=0 ;; *) continue ;; esac
    case $others in *" $group "*) doomed="$doomed ${process%:*}" ;; *) doomed="$doomed -$group" ;; esac
  done
  [ -z "$doomed" ] || kill -s KILL -- $doomed
  return "$found"
}
echo ready >&4
exec 4>&- 5>&2 2>/dev/null
looks=0
while lives "$@" || { sleep 0.05; lives "$@"; }; do
  looks=$((looks + 1))
  if [ $looks -lt 100 ]; then sleep 0.05; else sleep 1; fi
done)sh";

// `gone`: is open until it, and who holds for it, have ended.
pid_t start_guard(const Descriptor* held, const Pipe& life, const Pipe& gone) {
  SpawnPlan plan;
  plan.put(life.read, STDIN_FILENO);
  if (held != nullptr) {
    plan.put(*held, STDOUT_FILENO);
  } else {
    plan.put_nothing(STDOUT_FILENO);
  }
  plan.put(gone.write, STDERR_FILENO);
  plan.close_from(STDERR_FILENO + 1);
  plan.lead_group();
  plan.block_signals();
  return plan.start({"/bin/sh", "-c", kScript, "rdpipe-guard", kHolderScript});
}

// Waits for the end of what can be read there. False: it does not come in time.
bool await_end_of(const Descriptor& pipe, Deadline deadline) noexcept {
  std::array<char, 256> words{};
  while (await_ready(pipe.get(), POLLIN, deadline) != 0) {
    if (::read(pipe.get(), words.data(), words.size()) == 0) return true;
  }
  return false;
}

}  // namespace

GroupGuard::GroupGuard(const Descriptor* held) : GroupGuard(held, make_pipe(), make_pipe()) {}

GroupGuard::GroupGuard(const Descriptor* held, Pipe life, Pipe gone)
    : process_(start_guard(held, life, gone)), life_(std::move(life.write)), gone_(std::move(gone.read)) {
  if (held == nullptr) let_go_of_held();
}

GroupGuard::~GroupGuard() {
  if (process_.ended()) return;
  say("done\n");
  if (process_.await_end(kFarewell)) return;
  process_.signal(SIGKILL);
  process_.await_end(kFarewell);
}

void GroupGuard::let_go_of_held() noexcept { say("held\n"); }

// The group's number is nobody else's while its leader was not waited for.
void GroupGuard::signal(int number) noexcept {
  if (process_.ended()) return;
  ::kill(-group(), number);
}

// The guard does it, and dies of it. Right after its end its number is still the group's, and nobody else's.
void GroupGuard::kill() noexcept {
  if (process_.ended()) return;
  life_.reset();
  process_.await_end(kFarewell);
  ::kill(-group(), SIGKILL);  // where it could not
  process_.await_end(kFarewell);
}

bool GroupGuard::all_gone(Deadline deadline) const noexcept { return await_end_of(gone_, deadline); }

// A guard that somebody has killed hears nothing.
void GroupGuard::say(const char* word) const noexcept {
  [[maybe_unused]] const auto written = ::write(life_.get(), word, std::strlen(word));
}

}  // namespace rdpipe
