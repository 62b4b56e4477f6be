# shellcheck shell=bash
# A server of trees and its clients, for cases of rdcp. For files that lib.sh and sshd.bash have been read by.
# shellcheck disable=SC2154,SC2034  # lib.sh's variables, and ours for the cases

server=''  # pid
declare -A keys=()

# Lines of ./keys, NAME or NAME WORD... (what the key may): each gets a random key.
make_keys() {  # 'NAME [WORD...]'...
  local line
  : >keys
  chmod 600 keys
  for line in "$@"; do
    keys[${line%% *}]=$("$bin/rdcp" --generate-key)
    echo "${line%% *} ${keys[${line%% *}]} ${line#"${line%% *}"}" >>keys
  done
}

# A server of ./served that listens on a port of its own choice, or on `listen_on`.
start_server() {  # [OPTION...]
  mkdir -p served
  : >serve.err
  start "${wrap[@]}" "$bin/rdcp" --serve served --fabric="$fabric" --port "${listen_on:-0}" --key-file keys "$@" \
    </dev/null >serve.out 2>serve.err
  server=$!
  local tries=0
  until [[ $(<serve.err) =~ on\ port\ ([0-9]+) ]]; do
    runs "$server" || { show serve.err; fail "the server did not start"; }
    ((tries++ < 1500 * scale)) || fail "the server says nothing"
    pause 0.02
  done
  port=${BASH_REMATCH[1]}
}

# rdcp with the key NAME, in `copy`.
as_client() {  # NAME [OPTION...]
  copy=(env RDPIPE_KEY="${keys[$1]}" "$bin/rdcp" --fabric="$fabric" --port "$port" "${@:2}")
}

# The same in the background with the words that follow; its lines go to TAG.err.
start_client() {  # TAG NAME WORD...
  start env RDPIPE_KEY="${keys[$2]}" "$bin/rdcp" --fabric="$fabric" --port "$port" "${@:3}" </dev/null >"$1.out" 2>"$1.err"
  client=$!
}

ends_with() {  # PID STATUS [SECONDS]
  await_end "$1" "${@:3}"
  [[ $status == "$2" ]] || { show ./*.err; fail "process $1 ended with $status, not with $2"; }
}

stop_server() {  # [STATUS [SIGNAL]]
  kill -"${2:-TERM}" "$server"
  ends_with "$server" "${1:-0}" 40
}

# A file that takes long enough to be stopped in the middle of; 200 MB, no hole in it.
make_large() { head -c 200000000 /dev/zero >"$1"; }  # FILE

# Stops PID while FILE is only partly there.
stop_in_mid_transfer() {  # PID FILE
  local left=$((3000 * scale)) name=.${2##*/}.rdpipe-
  until compgen -G "$(dirname "$2")/$name*" >/dev/null; do
    runs "$1" || { show ./*.err; fail "it has ended, before $2 began to come"; }
    ((left-- > 0)) || fail "$2 does not come"
    pause 0.005
  done
  kill -STOP "$1"
  [[ ! -e $2 ]] || fail "$2 was there before its sender could be stopped"
}

count_bytes() { [[ $fabric != rdma ]] || echo "$1" >>"$run/moved"; }  # BYTES
open_descriptors() { local all=("/proc/$1"/fd/*); echo "${#all[@]}"; }  # PID
memory_of() { awk '/^(RssAnon|RssShmem):/ {total += $2} END {print total}' "/proc/$1/status"; }  # PID: KiB
# Waits until the server has let go of what clients had.
await_descriptors() {  # COUNT
  local left=$((1500 * scale))
  until (($(open_descriptors "$server") <= $1)); do
    ((left-- > 0)) || fail "$(open_descriptors "$server") descriptors, $1 before"
    pause 0.01
  done
}
