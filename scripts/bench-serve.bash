# Rows of rdcp --serve, for scripts/bench and bench-rdma, which have read bench-lib.bash and bench-rdcp.bash. The server's
# directory lies in a tmpfs; rates and times are those of its log, from a client's first byte until its files are in place.
# shellcheck disable=SC2154  # the variables of bench-lib.bash

start_server() {  # FABRIC
  mkdir -p "$trees/served"
  printf 'bench %s\n' "$key" >"$work/keys"
  chmod 600 "$work/keys"
  next_port
  "$bin/rdcp" --serve "$trees/served" --fabric="$1" --port "$port" --key-file "$work/keys" --log-format=json 2>"$work/served" &
  server=$!
  wait_for_listener "$port"
}
stop_server() {
  kill "$server"
  wait "$server" || say "bench: the server failed: $(cat "$work/served")"
}

# Uploads `source` under NAMEs at once, and sets `rate` to that of all together in MB/s.
upload() {  # ADDRESS FABRIC NAME...
  local name client clients=() before
  before=$(grep -c '"event":"transfer"' "$work/served") || true  # none yet
  for name in "${@:3}"; do
    RDPIPE_KEY=$key "$bin/rdcp" -q --fabric="$2" --port "$port" "$trees/source" "$1::$name" 2>>"$work/sent" &
    clients+=("$!")
  done
  for client in "${clients[@]}"; do wait "$client" || note_failure "rdcp --serve" "failed: $(cat "$work/sent")"; done
  for name in "${@:3}"; do
    cmp -s "$trees/source" "$trees/served/$name" || note_failure "rdcp --serve" "$name is not the source"
    rm -f "$trees/served/$name"
  done
  local lines=$(($# - 2)) left=250
  until (($(grep -c '"event":"transfer"' "$work/served") == before + lines)) || ((left-- == 0)); do sleep 0.02; done
  rate=$(grep '"event":"transfer"' "$work/served" | tail -n "$lines" | jq -s '
    def instant: capture("(?<second>.*)\\.(?<ms>[0-9]+)Z$") | (.second + "Z" | fromdateiso8601) + (.ms | tonumber) / 1000;
    map(select(.status == 0)) | (map(.time | instant) | max) as $last | (map((.time | instant) - .seconds) | min) as $first
    | (map(.bytes) | add) / ($last - $first) / 1e6 * 10 | round / 10') || rate=0
}

serve_rdma_rows() {  # ADDRESS
  wanted "serve rdma" || return 0
  local round one=() four=() ratios=() reference=()
  begin_rows
  prepare_trees
  head -c 268435456 /dev/urandom >"$trees/source"
  start_server rdma
  for ((round = 1; round <= runs; ++round)); do
    reference+=("$(ib_send_bw_rate)")
    upload "$1" rdma a
    one+=("$rate")
    upload "$1" rdma a b c d
    four+=("$rate")
    ratios+=("$(calc "${four[-1]} / ${one[-1]}")")
    say "serve rdma round $round: ib_send_bw ${reference[-1]}, one client ${one[-1]}, four ${four[-1]} MB/s"
  done
  stop_server
  [[ -z ${failures["rdcp --serve"]-} ]] || one=("${one[@]/*/failed}")
  rate_row "serve rdma: upload of 256 MiB, MB/s" ">= 0.85" "${one[@]}"
  row "serve rdma: four clients at once, MB/s" "$(median_of "${four[@]}")" \
    "$(median_of "${one[@]}")" "one client" "$(ratio "$(median_of "${ratios[@]}")" "rdcp --serve")" ">= 0.95"
  idle_server_rows "serve rdma" rdma
  strangers_row "serve rdma" rdma "$1"
  rm -rf "$trees"
}

# What an idle server costs, and what each stranger does who has connected and not shown a key.
idle_server_rows() {  # NAME FABRIC
  local before after bare server_memory receiver
  start_server "$2"
  sleep 1
  before=$(cpu_ticks "$server")
  sleep 10
  after=$(cpu_ticks "$server")
  row "$1: CPU of an idle server in 10 s, ticks" "$((after - before))" - limit "$((after - before))" "<= 0"
  read -r server_memory _ < <(memory_of "$server")
  next_port
  "$bin/rdrecv" -q --fabric="$2" "$port" "$key" >/dev/null 2>&1 & receiver=$!
  wait_for_listener "$port"
  sleep 1
  read -r bare _ < <(memory_of "$receiver")
  kill "$receiver"
  wait "$receiver" || true
  row "$1: memory of an idle server, MiB" "$(calc "$server_memory / 1024" 1)" "$(calc "$bare / 1024" 1)" "idle rdrecv" \
    "$(calc "($server_memory - $bare) / 1024" 1)" "<= 16"
  stop_server
}

serve_rows() {
  wanted "serve tcp" || return 0
  prepare_trees
  idle_server_rows "serve tcp" tcp
  strangers_row "serve tcp" tcp 127.0.0.1
  rm -rf "$trees"
}

# Connections that have said HELLO and most of a ClientHello: more a listener keeps of none that has not shown its key.
strangers_row() {  # NAME FABRIC ADDRESS
  local before after strangers each
  start_server "$2"
  sleep 0.5
  read -r before _ < <(memory_of "$server")
  "$bin/../tests/tools/rdma-attacker" strangers "$3" "$port" 60 half "$2" >"$work/strangers" &
  strangers=$!
  for _ in {1..500}; do ! grep -q 'are there' "$work/strangers" || break; sleep 0.02; done
  sleep 1
  read -r after _ < <(memory_of "$server")
  each=$(calc "($after - $before) / 60" 1)
  if ! grep -q 'are there' "$work/strangers" || grep 'turned away' "$work/served" >&2; then each=failed; fi
  kill "$strangers" || say "bench: the strangers have gone"
  wait "$strangers" || true
  row "$1: memory of a stranger, KiB" "$each" - limit "$each" "<= 64"
  stop_server
}
