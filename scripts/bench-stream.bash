# shellcheck shell=bash
# Part of scripts/bench: the stream API beside perftest, in the guest.
# shellcheck disable=SC2154  # bench-lib.bash's variables

latency=$PWD/build/tests/tools/stream_latency

# Half a round trip of 64 bytes, in microseconds; OPTION -e: it sleeps.
ib_send_lat_time() {  # HOST [OPTION...]
  local host=$1 server time
  shift
  next_port
  timeout 60 ib_send_lat -R -s 64 -n 1000 -p "$port" "$@" >/dev/null 2>&1 &
  server=$!
  sleep 1
  time=$(timeout 60 ib_send_lat -R -s 64 -n 1000 -p "$port" "$@" "$host" 2>/dev/null | awk '$1 == 64 { print $5 }') || time=
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  echo "${time:-0}"
}

stream_time() {  # HOST BUSY-POLL
  local server
  next_port
  timeout 60 "$latency" serve "$port" "$key" rdma "$2" >&2 &
  server=$!
  wait_for_listener "$port"
  timeout 60 "$latency" "$1" "$port" "$key" rdma "$2" 64 1000 || echo 0
  wait "$server" || true
}

latency_row() {  # NAME HOST BUSY-POLL [OPTION...]
  local name=$1 host=$2 busy=$3 round mine=() theirs=() ratios=()
  shift 3
  for ((round = 1; round <= 2 * runs; ++round)); do
    theirs+=("$(ib_send_lat_time "$host" "$@")")
    mine+=("$(stream_time "$host" "$busy")")
    say "$name, round $round: ib_send_lat ${theirs[-1]}, stream ${mine[-1]}"
    [[ ${theirs[-1]} == 0 || ${mine[-1]} == 0 ]] || ratios+=("$(calc "${mine[-1]} / ${theirs[-1]}")")
  done
  row "$name, us" "$(median_of "${mine[@]}")" "$(median_of "${theirs[@]}")" "ib_send_lat $*" \
    "$(median_of "${ratios[@]}")" "<= 1.2"
}

stream_rows() {  # HOST
  ! wanted "stream echo, as it is" || latency_row "stream echo, as it is: 64 bytes" "$1" auto -e
  ! wanted "stream echo, sleeping" || latency_row "stream echo, sleeping: 64 bytes" "$1" 0 -e
  ! wanted "stream echo, polling" || latency_row "stream echo, polling: 64 bytes" "$1" 100000
}
