# Rows of rdping, for scripts/bench-rdma, which has read bench-lib.bash: datagrams beside perftest's on one device, in
# rounds that take turns.
# shellcheck disable=SC2154  # the variables of bench-lib.bash

start_ping_server() {  # [OPTION...]
  next_port
  "$bin/rdping" --serve -q -p "$port" "$@" >/dev/null 2>"$work/ping-server" &
  ping_server=$!
  ping_port=$port
  local try
  for try in {1..100}; do
    ! "$bin/rdping" -q -c 1 -i 0 "$ping_address:$ping_port" 2>/dev/null | grep -q '^1 sent, 1 answered' || return 0
    sleep 0.05
  done
  say "bench: rdping --serve does not answer after $try tries: $(cat "$work/ping-server")"
}
stop_ping_server() {
  kill "$ping_server"
  wait "$ping_server" || say "bench: rdping --serve failed: $(cat "$work/ping-server")"
}

# A number from a run of perftest's PROGRAM: field FIELD of the line that begins with the size 64; 0 where three tries
# give none.
perftest() {  # FIELD PROGRAM OPTION...
  local field=$1 try found server
  shift
  for try in 1 2 3; do
    next_port
    timeout 60 "$@" -s 64 -p "$port" >/dev/null 2>&1 &
    server=$!
    sleep 1
    found=$(timeout 60 "$@" -s 64 -p "$port" "$ping_address" 2>/dev/null | awk -v field="$field" '$1 == 64 { print $field }') ||
      found=
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    [[ -z $found ]] || { echo "$found"; return; }
    say "$1 failed, try $try"
  done
  echo 0
}

# Messages a second of both directions.
flood_rate() {
  "$bin/rdping" --flood -q -w 3 -b 16 "$ping_address:$ping_port" | awk '/^total:/ { print 2 * $2 }'
}
# Half the median round trip, in microseconds.
ping_latency() {  # [OPTION...]
  "$bin/rdping" -q -i 0 -c 2000 "$@" "$ping_address:$ping_port" | awk -F/ '/^round trip/ { printf "%.2f", $5 * 1000 / 2 }'
}

# One row of the medians of `mine` and `other`, whose ratio is the median of the rounds'.
ping_row() {  # NAME PEER-NAME GOAL
  local i ratios=()
  for ((i = 0; i < ${#mine[@]}; ++i)); do
    [[ ${other[i]} == 0 ]] || ratios+=("$(calc "${mine[i]} / ${other[i]}")")
  done
  row "$1" "$(median_of "${mine[@]}")" "$(median_of "${other[@]}")" "$2" \
    "$(median_of "${ratios[@]}")" "$3"
}

# The message rate stands in the fifth column, in millions; the median latency in the fifth, too, in microseconds.
ping_rdma_rows() {  # ADDRESS
  local round mine other
  ping_address=$1
  if wanted "rdma datagrams: messages"; then
    mine=() other=()
    start_ping_server
    for ((round = 1; round <= runs; ++round)); do
      other+=("$(calc "$(perftest 5 ib_send_bw -b -c UD -n 20000) * 1000000" 0)")
      mine+=("$(flood_rate)")
      say "datagrams round $round: ib_send_bw -b -c UD ${other[-1]}, rdping --flood ${mine[-1]} messages/s"
    done
    stop_ping_server
    ping_row "rdma datagrams: messages of 64 B, echoed/s" "ib_send_bw -b" ">= 0.9"
  fi
  ping_latency_row "latency of 64 B" auto -e
  ping_latency_row "latency of 64 B, sleeping" 0 -e
  ping_latency_row "latency of 64 B, polling" 1000000
}

# The peer sleeps (-e) or polls.
ping_latency_row() {  # NAME BUSY-POLL [-e]
  local round mine=() other=() name="rdma datagrams: $1" peer=(ib_send_lat "${@:3}" -c UD)
  wanted "$name" || return 0
  start_ping_server --busy-poll "$2"
  for ((round = 1; round <= runs; ++round)); do
    other+=("$(perftest 5 "${peer[@]}" -n 2000)")
    mine+=("$(ping_latency --busy-poll "$2")")
    say "$name, round $round: ${peer[*]} ${other[-1]}, rdping --busy-poll $2 ${mine[-1]} us"
  done
  stop_ping_server
  ping_row "$name, us" "${peer[*]}" "<= 1.1"
}
