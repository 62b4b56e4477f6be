# Rows of rdcp, for scripts/bench and bench-rdma, which have read bench-lib.bash. Everything lies in a tmpfs, the other
# end is this host. Times are of the whole command, less what `ssh host true` takes where ssh logs in. Digests, temporary
# names and renames stay on.
# shellcheck disable=SC2154  # the variables of bench-lib.bash

# Sets `trees`, a directory in a tmpfs.
prepare_trees() {
  trees=$(mktemp -d /dev/shm/rdpipe-bench.XXXXXX)
  [[ $(stat -f -c %T "$trees") == tmpfs ]] || say "bench: /dev/shm is no tmpfs"
}

make_files() {  # DIRECTORY DIRECTORIES FILES-IN-EACH SIZE: about that many bytes in each file
  python3 - "$@" <<'END'
import os, random, sys
top, directories, files, size = sys.argv[1], *map(int, sys.argv[2:])
chance = random.Random(1)
data = chance.randbytes(4 * size + 1)
for d in range(directories):
    path = f"{top}/{d // 50:03}/{d:05}"
    os.makedirs(path)
    for f in range(files):
        with open(f"{path}/{f:04}", "wb") as file:
            if size:
                start = chance.randrange(2 * size)
                file.write(data[start:start + chance.randrange(size // 2, size * 3 // 2)])
END
}

declare -A times=() failures=()  # of WHAT, since begin_rows
begin_rows() { times=() failures=(); }
note_time() { times[$1]+="$2 "; }  # WHAT SECONDS
time_of() { tr ' ' '\n' <<<"${times[$1]}" | sed '/^$/d' | median; }
# From now on rows of WHAT miss their goal.
note_failure() {  # WHAT WHY
  failures[$1]=yes
  say "bench: $1: $2"
}
# A ratio for `row`, which is none where one of WHAT has failed.
ratio() {  # EXPRESSION WHAT...
  local what
  for what in "${@:2}"; do [[ -z ${failures[$what]-} ]] || { echo failed; return; }; done
  calc "$1"
}

# Notes the time of a command, which must succeed; its output is shown where it does not.
timed() {  # WHAT COMMAND...
  local what=$1 start=$EPOCHREALTIME end
  shift
  "$@" >"$work/out" 2>&1 </dev/null || note_failure "$what" "failed: $*: $(tail -n 3 "$work/out")"
  end=$EPOCHREALTIME
  note_time "$what" "$(calc "$end - $start")"
}

use_ssh() {
  start_sshd
  remote=127.0.0.1
  shell="ssh ${ssh_options[*]} -p $ssh_port"
  # shellcheck disable=SC2086  # words
  note_login() { timed login $shell "$remote" true; }
}
rdcp() { "$bin/rdcp" -q -e "$shell" --rdcp-path "$bin/rdcp" "$@"; }
with_rsync() { rsync -e "$shell" "$@"; }
with_scp() { scp "${ssh_options[@]}" -P "$ssh_port" "$@"; }
with_tar() {  # SOURCE TARGET
  local receiver status=0
  next_port
  nc -l 127.0.0.1 "$port" | tar x -C "$2" &
  receiver=$!
  wait_for_listener "$port"
  tar c -C "$1" . | nc -N 127.0.0.1 "$port" || status=$?
  wait "$receiver" || status=$?
  return "$status"
}

# A remote shell that logs in nowhere: in a guest, sshd takes longer than what is measured.
use_local_shell() {  # ADDRESS
  printf '%s\n' '#!/bin/sh' 'shift; exec sh -c "$*"' >"$work/rsh"
  chmod +x "$work/rsh"
  remote=$1 shell=$work/rsh
  note_login() { timed login "$shell" "$remote" true; }
}

fresh() { rm -rf "$trees/target"; mkdir "$trees/target"; }
say_times() {  # WHAT...
  local what
  for what in "$@"; do printf '%s %s  ' "$what" "$(awk '{ print $NF }' <<<"${times[$what]}")" >&2; done
  say "s"
}

# A row of two times, of which what ssh needs is taken off where asked for.
time_row() {  # NAME OURS-WITH-SSH PEER PEER-WITH-SSH GOAL
  local login mine other
  login=$(time_of login)
  mine=$(calc "$(time_of "$2") - $login")
  other=$(calc "$(time_of "$3") - $login * $4")
  row "$1, s" "$mine" "$other" "$3" "$(ratio "$other / $mine" login "$2" "$3")" "$5"
}

same_trees() { diff -r "$trees/source" "$trees/target" >/dev/null || note_failure "$1" "the copy differs"; }  # WHAT
same_files() { cmp "$trees/source" "$2" >&2 || note_failure "$1" "the copy differs"; }  # WHAT COPY

small_files_rows() {
  local i
  begin_rows
  make_files "$trees/source" 2400 40 5000
  for ((i = 0; i < runs; ++i)); do
    note_login
    fresh; timed plain rdcp -a --no-encrypt "$trees/source/" "$remote:$trees/target/"
    ((i > 0)) || same_trees plain
    timed again rdcp -a --no-encrypt "$trees/source/" "$remote:$trees/target/"
    timed "rsync again" with_rsync -a "$trees/source/" "$remote:$trees/target/"
    fresh; timed sealed rdcp -a --encrypt "$trees/source/" "$remote:$trees/target/"
    ((i > 0)) || same_trees sealed
    fresh; timed "tar over nc" with_tar "$trees/source" "$trees/target"
    fresh; timed "rsync -a" with_rsync -a "$trees/source/" "$remote:$trees/target/"
    # Once: it takes longer than all others together, and its goal is far away.
    ((i > 0)) || { fresh; timed "scp -r" with_scp -r "$trees/source" "$remote:$trees/target/"; }
    say_times login plain sealed again "tar over nc" "rsync -a" "rsync again" "scp -r"
  done
  time_row "rdcp tree: 96,000 files of 5 KB" plain "tar over nc" 0 ">= 0.87"
  time_row "rdcp tree: 96,000 files of 5 KB" plain "rsync -a" 1 ">= 2.5"
  time_row "rdcp tree: the same, sealed" sealed "rsync -a" 1 ">= 2"
  time_row "rdcp tree: the same, sealed (scp once)" sealed "scp -r" 1 ">= 8"
  time_row "rdcp tree: nothing to do" again "rsync again" 1 ">= 1"
  rm -rf "$trees/source" "$trees/target"
}

# Memory that is free may be with a hypervisor, and fetching it takes seconds that are no copier's. What a hypervisor is
# given back are blocks of 2 MiB and more: so before each copy memory of its size is taken and freed in smaller pieces,
# between pages that stay in use.
timed_warm() {  # WHAT COMMAND...
  fresh
  rm -f "$trees/kept"
  python3 - "$trees/kept" "$trees/freed" <<'END' || note_failure "$1" "no memory for it"
import os, sys
page = os.sysconf("SC_PAGE_SIZE")
piece = bytes(512 << 10)
with open(sys.argv[1], "wb", 0) as kept, open(sys.argv[2], "wb", 0) as freed:
    for _ in range((3300 << 20) // len(piece)):
        kept.write(piece[:page])
        freed.write(piece[page:])
os.unlink(sys.argv[2])
END
  timed "$@"
}

large_file_rows() {
  local i
  begin_rows
  head -c 3221225472 /dev/urandom >"$trees/source"
  for ((i = 0; i < runs; ++i)); do
    note_login
    timed_warm plain rdcp --no-encrypt "$trees/source" "$remote:$trees/target/"
    ((i > 0)) || same_files plain "$trees/target/source"
    timed_warm sealed rdcp --encrypt "$trees/source" "$remote:$trees/target/"
    ((i > 0)) || same_files sealed "$trees/target/source"
    timed_warm rsync with_rsync "$trees/source" "$remote:$trees/target/"
    timed_warm scp with_scp "$trees/source" "$remote:$trees/target/"
    say_times login plain sealed rsync scp
  done
  time_row "rdcp file: 3 GiB" plain scp 1 ">= 4"
  time_row "rdcp file: 3 GiB" plain rsync 1 ">= 3"
  time_row "rdcp file: 3 GiB, sealed" sealed scp 1 ">= 2"
  time_row "rdcp file: 3 GiB, sealed" sealed rsync 1 ">= 2"
  rm -rf "$trees/source" "$trees/target" "$trees/kept"
}

# The largest RssAnon + RssShmem, in KiB, that a process of rdcp has while the file $work/watching is there.
watch_memory() {
  local pid rss values
  rss=0
  while [[ -e $work/watching ]]; do
    for pid in $(pgrep -x rdcp); do
      [[ $(readlink "/proc/$pid/exe") == "$(realpath "$bin/rdcp")" ]] || continue
      read -r -a values < <(memory_of "$pid" 2>/dev/null || echo 0 0)
      ((values[0] <= rss)) || rss=${values[0]}
    done
    sleep 0.1
  done
  echo "$rss"
}

million_files_rows() {
  local i rss watcher
  begin_rows
  make_files "$trees/source" 1000 1000 0
  for ((i = 0; i < runs; ++i)); do
    note_login
    fresh
    if ((i == 0)); then
      : >"$work/watching"
      watch_memory >"$work/rss" &
      watcher=$!
    fi
    timed plain rdcp -a --no-encrypt "$trees/source/" "$remote:$trees/target/"
    if ((i == 0)); then
      rm "$work/watching"
      wait "$watcher"
      read -r rss <"$work/rss"
      ((rss > 0)) || note_failure plain "nobody saw its memory"
    fi
    fresh; timed "rsync -a" with_rsync -a "$trees/source/" "$remote:$trees/target/"
    say_times login plain "rsync -a"
  done
  time_row "rdcp empty: 1,000,000 empty files" plain "rsync -a" 1 ">= 1"
  row "rdcp empty: RssAnon + RssShmem, MiB" "$(calc "$rss / 1024" 1)" - limit "$(ratio "$rss / 1024" plain)" "<= 64"
  rm -rf "$trees/source" "$trees/target"
}

# In the guest: the same file, and a smaller tree, over RDMA.
rdcp_rdma_rows() {  # ADDRESS
  wanted "rdcp rdma file" || wanted "rdcp rdma tree" || return 0
  prepare_trees
  use_local_shell "$1"
  ! wanted "rdcp rdma file" || rdma_file_row "$1"
  ! wanted "rdcp rdma tree" || rdma_tree_row "$1"
}

rdma_file_row() {  # ADDRESS
  local i mine=() other=() middle peer
  begin_rows
  head -c 268435456 /dev/urandom >"$trees/source"
  for ((i = 0; i < runs; ++i)); do
    rm -rf "$trees/target"
    other+=("$(ours "$1" "file:$trees/source" "file:$trees/target" --fabric=rdma)")
    rm -rf "$trees/target"
    "$bin/rdcp" -v --fabric=rdma -e "$shell" --rdcp-path "$bin/rdcp" "$trees/source" "$remote:$trees/target" >/dev/null 2>"$work/sent" ||
      note_failure rdcp "failed: $(cat "$work/sent")"
    same_files rdcp "$trees/target"
    mine+=("$(sed -n 's/.* s, \([0-9.]*\) MB\/s.*/\1/p' "$work/sent" | grep . || echo 0)")
    say "rdcp rdma file run $((i + 1)): rdcp ${mine[-1]}, rdsend ${other[-1]} MB/s"
  done
  middle=$(median_of "${mine[@]}") peer=$(median_of "${other[@]}")
  row "rdcp rdma file: 256 MiB, MB/s" "$middle" "$peer" "rdsend, rdrecv" "$(ratio "$middle / $peer" rdcp)" ">= 0.90"
  rm -rf "$trees/source" "$trees/target"
}

with_tar_and_rdsend() {  # ADDRESS
  local receiver status=0
  next_port
  "$bin/rdrecv" -q --fabric=rdma "$port" "$key" | tar x -C "$trees/target" &
  receiver=$!
  tar c -C "$trees/source" . | "$bin/rdsend" -q --fabric=rdma "$1" "$port" "$key" || status=$?
  wait "$receiver" || status=$?
  return "$status"
}

rdma_tree_row() {  # ADDRESS
  local i
  begin_rows
  make_files "$trees/source" 240 40 5000
  for ((i = 0; i < runs; ++i)); do
    note_login
    fresh; timed rdcp rdcp -a --fabric=rdma "$trees/source/" "$remote:$trees/target/"
    ((i > 0)) || same_trees rdcp
    fresh; timed "tar over rdsend" with_tar_and_rdsend "$1"
    say_times login rdcp "tar over rdsend"
  done
  time_row "rdcp rdma tree: 9,600 files of 5 KB" rdcp "tar over rdsend" 0 ">= 1"
  rm -rf "$trees/source" "$trees/target"
}

rdcp_rows() {
  wanted "rdcp tree" || wanted "rdcp file" || wanted "rdcp empty" || return 0
  prepare_trees
  use_ssh
  ! wanted "rdcp tree" || small_files_rows
  ! wanted "rdcp file" || large_file_rows
  ! wanted "rdcp empty" || million_files_rows
  kill "$sshd"
}
