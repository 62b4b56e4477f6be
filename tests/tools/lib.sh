# shellcheck shell=bash
# What the tool tests have in common. Started by the runner as `bash lib.sh FILE FUNCTION` in an empty directory, with
# $fabric, $host, $host6, $bin, $scale and $run set. A case starts one rdrecv and one rdsend (start_recv, start_send),
# says how they must end, and looks at what they left. Everything it started is ended when it returns.
# shellcheck disable=SC2154  # the runner's variables
set -euo pipefail

# 64 hexadecimal digits: used as they are, without the cost of a passphrase.
key=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff
port=            # of the rdrecv that runs
target=          # FILE of the next start_recv; empty: standard output
source=          # FILE of the next start_send; empty: standard input
sender='' receiver='' reader='' writer=''  # pids
consumer=()      # `-- COMMAND` of the next start_recv
producer=()      # and of the next start_send
wrap=()          # words before the next rdrecv or rdsend
started=()       # pids to end
undo=()          # commands to run at the end
edge_sizes=(0 1 4095 4096 4097)
# shellcheck disable=SC2034  # for the cases
readonly edge_sizes

# A sleep without a process: nothing is ever written here.
mkfifo .clock
exec {clock}<>.clock
pause() { read -r -t "$1" -u "$clock" _ || true; }  # SECONDS

end_everything() {
  local pid command
  for pid in "${started[@]}"; do
    kill -KILL "$pid" 2>/dev/null || true
  done
  ((${#started[@]} == 0)) || wait "${started[@]}" 2>/dev/null || true
  for command in "${undo[@]}"; do eval "$command" || true; done
}
trap end_everything EXIT
trap 'tell_state; exit 143' TERM

show() {  # FILE...
  local file
  for file in "$@"; do [[ ! -s $file ]] || sed "s|^|$file: |" "$file"; done
}

# Names the line of the case, however deep the failure was found.
fail() {
  local depth
  for ((depth = 1; depth < ${#BASH_SOURCE[@]} - 1; depth++)); do [[ ${BASH_SOURCE[depth]} == "$0" ]] || break; done
  echo "$(basename "${BASH_SOURCE[depth]}"):${BASH_LINENO[depth - 1]}: $*"
  tell_state
  exit 1
}

# What was said, and who still runs and hangs where.
tell_state() {
  local pid
  show send.err recv.err attacker.err
  for pid in "${started[@]}"; do ! runs "$pid" || describe "$pid" || true; done
}

skip() {
  echo "$*"
  exit 77
}

need_root() { ((EUID == 0)) || skip "needs root"; }

# --- Starting ---------------------------------------------------------------------------------------------------------

# Bash starts background jobs with SIGINT ignored, which a user's shell does not, and with /dev/null as stdin.
start() {
  env --default-signal=INT,QUIT "$@" <&0 &
  started+=("$!")
}

# Whether PID has not ended. `kill -0` is no answer: it also finds one that bash has not waited for yet, and bash now and
# then misses that a child has ended.
runs() {  # PID
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null && [[ ${stat##*) } != [ZX]* ]]
}

await_listening() {  # PID
  local until=$((SECONDS + 30 * scale))
  until [[ $(<recv.err) =~ listening\ on\ port\ ([0-9]+) ]]; do
    runs "$1" || fail "rdrecv did not listen"
    ((SECONDS <= until)) || fail "rdrecv says nothing"
    pause 0.02
  done
  port=${BASH_REMATCH[1]}
}

# rdrecv with OPTIONs into `target` or the caller's stdout, on the port `listen_on` or one that it chooses. (It says which
# port it chose; that it listens on a given one it says with -v.)
start_recv() {  # [OPTION...]
  : >recv.err
  start "${wrap[@]}" "$bin/rdrecv" --fabric="$fabric" ${listen_on:+-v} "$@" \
    "${listen_on:-0}" "$key" ${target:+"$target"} "${consumer[@]}" </dev/null 2>recv.err
  receiver=$!
  await_listening "$receiver"
}

# rdsend with OPTIONs to the receiver, from `source` or the caller's stdin.
start_send() {  # [OPTION...]
  start "${wrap[@]}" "$bin/rdsend" --fabric="$fabric" "$@" "$host" "$port" "$key" ${source:+"$source"} "${producer[@]}" 2>send.err
  sender=$!
}

# The words that start the attacker of this fabric, in `attacker`.
choose_attacker() {
  attacker=("$bin/../tests/tools/rdma-attacker")
  [[ $fabric == tcp ]] || return 0
  type -P python3 >/dev/null || skip "python3 is not installed"
  attacker=(python3 "$cases/../attacker")
}

# Starts the attacker, whose port becomes `port`: what is connected to from then on.
start_attacker() {  # relay|listen ARGUMENT...
  choose_attacker
  start "${attacker[@]}" "$@" >attacker.out 2>attacker.err </dev/null
  await_line attacker.out "listening on port"
  port=$(sed -n 's/^listening on port //p' attacker.out)
}

# Starts a reader, COMMAND, of the fifo FIFO, for use as start_recv >FIFO.
start_reader() {  # FIFO COMMAND...
  local fifo=$1
  shift
  [[ -p $fifo ]] || mkfifo "$fifo"
  "$@" <"$fifo" &
  reader=$!
  started+=("$reader")
}

# Starts a writer, COMMAND, of the fifo FIFO, for use as start_send <FIFO.
start_writer() {  # FIFO COMMAND...
  local fifo=$1
  shift
  [[ -p $fifo ]] || mkfifo "$fifo"
  "$@" >"$fifo" &
  writer=$!
  started+=("$writer")
}

# A gate: wait_gate blocks until open_gate is called, in whatever order, for at most 90 s.
make_gate() { mkfifo gate; exec {gate}<>gate; }
wait_gate() { read -r -t $((90 * scale)) -u "$gate" _; }
open_gate() { echo >&"$gate"; }

# Writes the first COUNT bytes of `in`, waits at the gate, and writes the rest.
produce_with_gap() {  # COUNT
  head -c "$1" in
  wait_gate
  tail -c "+$(($1 + 1))" in
}
# Reads COUNT bytes into `out`, waits at the gate, and reads the rest.
consume_with_gap() {  # COUNT
  dd bs=1 count="$1" of=out status=none
  wait_gate
  cat >>out
}

# A transfer of `in` to `out` that waits at the gate with part of it in a temporary; OPTIONs are for both ends.
stall_before_the_end() {  # [OPTION...]
  make_gate
  echo hello >in
  start_writer from produce_with_gap 2
  target=out start_recv "$@"
  start_send "$@" <from
  until [[ -n $(find . -name '.out.rdpipe-*') ]]; do pause 0.02; both_alive; done
}

# A port that nobody uses, and that no other case is given.
choose_port() {
  local candidate
  while :; do
    candidate=$((20000 + RANDOM % 12000))
    mkdir "$run/port.$candidate" 2>/dev/null || continue
    [[ -z $(ss -Hltn "sport = :$candidate") ]] || continue
    port=$candidate
    return
  done
}

make_data() { head -c "$1" /dev/urandom >"$2"; }  # SIZE FILE

# --- How it ended -----------------------------------------------------------------------------------------------------

# What PID is and where it hangs.
describe() {  # PID
  local words state
  words=$(tr '\0' ' ' <"/proc/$1/cmdline")
  state=$(sed -n 's/^State:[[:space:]]*//p' "/proc/$1/status")
  echo "process $1, ${words:0:60}, $state"
  # The leader of several threads is a zombie until the last of them has ended.
  local task
  for task in /proc/"$1"/task/*; do
    echo "  thread ${task##*/}: $(sed -n 's/^State:[[:space:]]*//p' "$task/status"), in $(cat "$task/wchan" "$task/stack" 2>/dev/null)"
  done
}

# Waits until PID has ended, for at most SECONDS (15), and sets `status`.
await_end() {  # PID [SECONDS]
  local until=$((SECONDS + ${2:-15} * scale))
  while runs "$1"; do
    ((SECONDS <= until)) || fail "process $1 still runs after ${2:-15} s"
    pause 0.02
  done
  status=0
  wait "$1" || status=$?
}

sender_exits() {  # STATUS [SECONDS]
  await_end "$sender" "${@:2}"
  [[ $status == "$1" ]] || fail "rdsend exited with $status, not with $1"
}
receiver_exits() {  # STATUS [SECONDS]
  await_end "$receiver" "${@:2}"
  [[ $status == "$1" ]] || fail "rdrecv exited with $status, not with $1"
}
sender_fails() { await_end "$sender" "$@"; ((status != 0)) || fail "rdsend exited with 0"; }
receiver_fails() { await_end "$receiver" "$@"; ((status != 0)) || fail "rdrecv exited with 0"; }

# Both have ended well; SIZE bytes went across.
both_succeed() {  # SIZE [SECONDS]
  sender_exits 0 "${2:-40}"
  receiver_exits 0 "${2:-40}"
  [[ $fabric != rdma ]] || echo "$1" >>"$run/moved"
}
both_exit() { sender_exits "$1"; receiver_exits "$1"; }  # STATUS

both_alive() {
  runs "$sender" || fail "rdsend has ended"
  runs "$receiver" || fail "rdrecv has ended"
}

# --- What it left -----------------------------------------------------------------------------------------------------

# FILE has one error line, which matches REGEX; every line says which tool speaks.
one_error() {  # send.err|recv.err REGEX
  local tool=rd${1%.err}
  (($(grep -c "^$tool: error: " "$1") == 1)) || fail "not one error line in $1"
  grep "^$tool: error: " "$1" | grep -qiE -- "$2" || fail "the error line of $1 does not match: $2"
  ! grep -v "^$tool: " "$1" || fail "$1 has a line that does not begin with $tool:"
}
says() { grep -qiE -- "$2" "$1" || fail "$1 does not say: $2"; }  # FILE REGEX

same() { cmp "$1" "$2" || fail "$1 and $2 differ"; }  # FILE FILE
absent() { [[ ! -e $1 ]] || fail "$1 is there"; }     # FILE
holds() { [[ $(cat "$1") == "$2" ]] || fail "$1 does not hold '$2'"; }  # FILE TEXT
no_temporaries() {
  local left
  left=$(find . -name '.*.rdpipe-*')
  [[ -z $left ]] || fail "left behind: $left"
}

# Waits until FILE has at least COUNT bytes.
await_bytes() {  # FILE COUNT
  local until=$((SECONDS + 20 * scale)) size
  until size=$(stat -c %s "$1" 2>/dev/null) && ((size >= $2)); do
    ((SECONDS <= until)) || fail "$1 has ${size:-no} bytes, not $2"
    pause 0.02
  done
}
await_line() {  # FILE REGEX
  local until=$((SECONDS + 30 * scale))
  until grep -qiE -- "$2" "$1" 2>/dev/null; do
    ((SECONDS <= until)) || fail "$1 does not say: $2"
    pause 0.02
  done
}

# --- Surroundings -----------------------------------------------------------------------------------------------------

# Mounts are for cases that have a mount namespace of their own.
may_mount() { [[ $private_mounts == yes ]]; }

# A file system of SIZE at ./small, which goes away with the case.
make_small_disk() {  # SIZE
  may_mount || skip "may not mount here"
  mkdir small
  mount -t tmpfs -o "size=$1" small small 2>/dev/null || skip "may not mount here"
  undo+=("umount -l small")
}

# Words that run a command as nobody, in `wrap`.
become_nobody() {
  need_root
  wrap=(setpriv --reuid 65534 --regid 65534 --clear-groups "$@")
  chmod 777 .
  "${wrap[@]}" test -x "$bin/rdsend" || skip "$bin cannot be reached by nobody"
}

# shellcheck disable=SC2034  # for the cases
cases=$(dirname "$1")
# shellcheck source=/dev/null
source "$1"
"$2"
