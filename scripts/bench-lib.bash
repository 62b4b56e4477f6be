# What scripts/bench and its part in the guest have in common: a row is a name, our number, the peer's, the ratio
# and the goal. Rates are in MB/s (10^6 bytes a second).
runs=${RDPIPE_BENCH_RUNS:-5}
pattern=${RDPIPE_BENCH_PATTERN:-.}
json=${json:-false}
bin=$PWD/build/tools
send_options=()  # of rdsend alone
port=$((20000 + RANDOM % 10000))
key=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff

prepare() {
  work=$(mktemp -d "${RDPIPE_BENCH_DIR:-/tmp}/rdpipe-bench.XXXXXX")
  rows=$work/rows
  : >"$rows"
  trees=
  trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work" "${trees:-$work}"' EXIT
}

say() { echo "$@" >&2; }
calc() { awk "BEGIN { printf \"%.${2:-3}f\", ($1) }"; }  # in brackets: a > there would write a file
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
median_of() { printf '%s\n' "$@" | median; }
next_port() { port=$((port + 1)); }

wait_for_listener() {  # PORT: of TCP or of rdma_cm
  local try
  for try in {1..200}; do
    if [[ -n $(ss -Hltn "sport = :$1") ]] || rdma resource show cm_id 2>/dev/null | grep -q "LISTEN.*:$1 "; then
      return 0
    fi
    sleep 0.02
  done
  say "bench: nothing listens on port $1 after $try tries"
  return 1
}

rate_of() {  # FILE: the rate in MB/s that -v printed
  awk '/Bandwidth/ { for (i = 1; i < NF; ++i) if ($(i + 1) == "bytes") bytes = $i; else if ($(i + 1) == "s,") s = $i }
       END { if (s > 0) printf "%.1f", bytes / s / 1e6; else print 0 }' "$1"
}

compression_of() { grep -o '[0-9.]*:1' "$1"; }  # FILE: the ratio that -v printed

# Moves a stream with our tools and prints the rate. SOURCE and TARGET are commands of which one end of the pipe is ours, or
# file:PATH; OPTIONS go to both.
ours() {  # HOST SOURCE TARGET [OPTION...]
  local host=$1 source=$2 target=$3 receiver
  shift 3
  next_port
  local receive=("$bin/rdrecv" -q -v "$@" "$port" "$key") send=("$bin/rdsend" -q -v "$@" "${send_options[@]}" "$host" "$port" "$key")
  case $target in
    file:*) "${receive[@]}" "${target#file:}" 2>"$work/received" & receiver=$! ;;
    null) "${receive[@]}" >/dev/null 2>"$work/received" & receiver=$! ;;
    *) { "${receive[@]}" 2>"$work/received" | $target >/dev/null; } & receiver=$! ;;
  esac
  wait_for_listener "$port"
  case $source in
    file:*) "${send[@]}" "${source#file:}" 2>"$work/sent" || say "$(cat "$work/sent")" ;;
    *) $source | "${send[@]}" 2>"$work/sent" || say "$(cat "$work/sent")" ;;
  esac
  wait "$receiver" || say "$(cat "$work/received")"
  rate_of "$work/sent"
}

# Runs a peer: BYTES from SOURCE through SENDER to RECEIVER, and prints the rate.
peer() {  # BYTES SOURCE SENDER RECEIVER
  local start receiver
  eval "$4" >/dev/null 2>&1 &
  receiver=$!
  wait_for_listener "$port"
  start=$EPOCHREALTIME
  $2 | eval "$3" >/dev/null 2>&1
  wait "$receiver" || true
  calc "$1 / ($EPOCHREALTIME - $start) / 1e6" 1
}

wanted() { [[ $1 =~ $pattern ]]; }

# GOAL: `>= N` or `<= N`. RATIO: anything but a number misses it.
row() {  # NAME OURS PEER PEER-NAME RATIO GOAL
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$@" >>"$rows"
  print_row "$@"
}
verdict() {  # RATIO GOAL
  awk -v ratio="$1" -v goal="$2" 'BEGIN { split(goal, g, " ")
    ok = ratio ~ /^-?[0-9.]+$/ && (g[1] == ">=" ? ratio >= g[2] : g[1] == "<=" ? ratio <= g[2] : 1)
    print ok ? "ok" : "MISSED" }'
}
print_row() {
  printf '%-44s %10s %10s %-18s %8s  %-8s %s\n' "$1" "$2" "$3" "$4" "$5" "$6" "$(verdict "$5" "$6")" >&2
}

report() {
  local name mine other peer_name ratio goal missed=0
  say ""
  printf '%-44s %10s %10s %-18s %8s  %-8s\n' row ours peer "peer's name" ratio goal >&2
  while IFS=$'\t' read -r name mine other peer_name ratio goal; do
    print_row "$name" "$mine" "$other" "$peer_name" "$ratio" "$goal"
    [[ $(verdict "$ratio" "$goal") == ok ]] || missed=$((missed + 1))
  done <"$rows"
  say "$missed of $(wc -l <"$rows") rows missed their goal"
  if $json; then
    jq -Rn '{rows: [inputs | split("\t") | {name: .[0], ours: (.[1] | tonumber? // null), peer: (.[2] | tonumber? // null),
             peer_name: .[3], ratio: (.[4] | tonumber? // null), goal: .[5]}]}' "$rows"
  fi
  ((missed == 0))
}

# The sum of RssAnon and RssShmem, and VmPin, of a process, in KiB.
memory_of() { awk '/^(RssAnon|RssShmem):/ { rss += $2 } /^VmPin:/ { pin = $2 } END { print rss + 0, pin + 0 }' "/proc/$1/status"; }

# Prints the greatest memory of our receiver and sender while a stream moves: rss, pinned (KiB, the larger of both ends).
memory_row() {  # NAME HOST BYTES
  local sender receiver rss=0 pin=0 values pid
  next_port
  "$bin/rdrecv" -q "$port" "$key" >/dev/null & receiver=$!
  wait_for_listener "$port"
  mkfifo "$work/in"
  head -c "$3" /dev/zero >"$work/in" &
  "$bin/rdsend" -q "$2" "$port" "$key" <"$work/in" & sender=$!
  while [[ -e /proc/$receiver/status && -e /proc/$sender/status ]]; do
    for pid in $receiver $sender; do
      read -r -a values < <(memory_of "$pid" 2>/dev/null || echo 0 0)
      ((values[0] <= rss)) || rss=${values[0]}
      ((values[1] <= pin)) || pin=${values[1]}
    done
    sleep 0.05
  done
  wait "$sender" "$receiver" || say "bench: the stream whose memory was watched failed"
  rm "$work/in"
  row "$1: RssAnon + RssShmem, MiB" "$(calc "$rss / 1024" 1)" - limit "$(calc "$rss / 1024" 1)" "<= 32"
  row "$1: pinned, MiB" "$(calc "$pin / 1024" 1)" - limit "$(calc "$pin / 1024" 1)" "<= 6"
}

cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# CPU of both ends over SECONDS of silence, and the time a line takes from producer to consumer.
idle_rows() {  # NAME HOST SECONDS GOAL-MS
  local receiver sender before after line now delays=()
  next_port
  mkfifo "$work/in" "$work/out"
  "$bin/rdrecv" -q "$port" "$key" >"$work/out" & receiver=$!
  exec 8<>"$work/out"
  wait_for_listener "$port"
  "$bin/rdsend" -q "$2" "$port" "$key" <"$work/in" & sender=$!
  exec 9>"$work/in"
  echo begin >&9
  read -r -u 8 line
  sleep 1
  before=$(($(cpu_ticks "$receiver") + $(cpu_ticks "$sender")))
  sleep "$3"
  after=$(($(cpu_ticks "$receiver") + $(cpu_ticks "$sender")))
  row "$1: CPU of both ends in $3 s of silence, ticks" "$((after - before))" - limit "$((after - before))" "<= 1"
  for _ in {1..21}; do
    echo "$EPOCHREALTIME" >&9
    read -r -u 8 line
    now=$EPOCHREALTIME
    delays+=("$(calc "($now - $line) * 1000")")
    sleep 0.05
  done
  line=$(median_of "${delays[@]}")
  row "$1: first byte of a trickle, ms" "$line" - limit "$line" "<= $4"
  exec 9>&-
  wait "$sender" || true
  exec 8>&-
  wait "$receiver" || true
  rm -f "$work/in" "$work/out"
}

# Rows of this machine, over TCP on loopback.
native_rows() {
  ! wanted "tcp pipe" || pipe_row
  ! wanted "tcp file" || file_rows
  ! wanted "tcp memory" || memory_row "tcp" 127.0.0.1 6G
  ! wanted "tcp compressed" || compressed_row
  ! wanted "tcp idle" || idle_rows "tcp" 127.0.0.1 5 2
  rdcp_rows
}

pipe_row() {
  local mine=() best best_name=- i name size=4294967296
  declare -A rates=()
  for ((i = 0; i < runs; ++i)); do
    mine+=("$(ours 127.0.0.1 "head -c 4G /dev/zero" null --fabric=tcp)")
    next_port
    rates[nc]+="$(peer $size "head -c 4G /dev/zero" "nc -N 127.0.0.1 $port" "nc -l 127.0.0.1 $port") "
    next_port
    rates[socat]+="$(peer $size "head -c 4G /dev/zero" "socat -u -b 1048576 - TCP:127.0.0.1:$port" \
      "socat -u -b 1048576 TCP-LISTEN:$port,bind=127.0.0.1 -") "
    next_port
    rates[mbuffer]+="$(peer $size "head -c 4G /dev/zero" "mbuffer -q -s 1M -m 64M -O 127.0.0.1:$port" \
      "mbuffer -q -s 1M -m 64M -I 127.0.0.1:$port") "
    say "tcp pipe run $((i + 1)): ours ${mine[-1]}, $(for name in "${!rates[@]}"; do printf '%s %s ' "$name" \
      "$(awk '{ print $NF }' <<<"${rates[$name]}")"; done)"
  done
  best=0
  for name in "${!rates[@]}"; do
    local value
    value=$(tr ' ' '\n' <<<"${rates[$name]}" | sed '/^$/d' | median)
    [[ $(calc "$value > $best" 0) == 0 ]] || { best=$value best_name=$name; }
  done
  local ours_median
  ours_median=$(median_of "${mine[@]}")
  row "tcp pipe: 4 GiB to /dev/null, digest, MB/s" "$ours_median" "$best" "$best_name" "$(calc "$ours_median / $best")" ">= 1.2"
}

# Lines of a log, which zstd makes about five times smaller: ours with -z beside a zstd at each end of our pipe.
compressed_row() {
  local mine=() theirs=() start receiver i size=1073741824 ours_median theirs_median
  awk 'BEGIN { srand(1); for (;;) printf "%d host%d app[%d]: request %d took %d us\n", 1700000000 + n++, rand() * 40,
       rand() * 9000, rand() * 1e9, rand() * 9e4 }' | head -c 64M >"$work/log" || true
  say "tcp compressed: zstd alone $(calc "67108864 / $(zstd -qc "$work/log" | wc -c)" 2):1"
  for ((i = 0; i < 16; ++i)); do cat "$work/log"; done >"$work/logs"
  for ((i = 0; i < runs; ++i)); do
    cat "$work/logs" >/dev/null  # in the page cache for both
    start=$EPOCHREALTIME
    send_options=(-z)
    ours 127.0.0.1 "cat $work/logs" null --fabric=tcp >/dev/null
    send_options=()
    mine+=("$(calc "$size / ($EPOCHREALTIME - $start) / 1e6" 1)")
    next_port
    start=$EPOCHREALTIME
    { "$bin/rdrecv" -q --fabric=tcp "$port" "$key" | zstd -qdc >/dev/null; } & receiver=$!
    wait_for_listener "$port"
    zstd -qc -T0 <"$work/logs" | "$bin/rdsend" -q --fabric=tcp 127.0.0.1 "$port" "$key"
    wait "$receiver" || say "bench: zstd at each end failed"
    theirs+=("$(calc "$size / ($EPOCHREALTIME - $start) / 1e6" 1)")
    say "tcp compressed run $((i + 1)): ours ${mine[-1]} ($(compression_of "$work/sent")), with zstd ${theirs[-1]}"
  done
  rm -f "$work/log" "$work/logs"
  ours_median=$(median_of "${mine[@]}")
  theirs_median=$(median_of "${theirs[@]}")
  row "tcp compressed: 1 GiB of log, -z, MB/s" "$ours_median" "$theirs_median" "zstd | rdsend" \
    "$(calc "$ours_median / $theirs_median")" ">= 1"
}

start_sshd() {
  mkdir -p "$work/ssh" /run/sshd
  ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host"
  ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/user"
  cp "$work/ssh/user.pub" "$work/ssh/authorized"
  next_port
  ssh_port=$port
  /usr/sbin/sshd -D -f /dev/null -p "$ssh_port" -o ListenAddress=127.0.0.1 -h "$work/ssh/host" -o StrictModes=no \
    -o PidFile=none -o Subsystem="sftp internal-sftp" -o AuthorizedKeysFile="$work/ssh/authorized" 2>"$work/ssh/log" &
  sshd=$!
  wait_for_listener "$ssh_port"
  ssh_options=(-q -i "$work/ssh/user" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null)
}

scp_seconds() {  # SOURCE TARGET
  local start=$EPOCHREALTIME
  scp "${ssh_options[@]}" -P "$ssh_port" "$1" "127.0.0.1:$2" >&2 || say "bench: scp failed"
  calc "$EPOCHREALTIME - $start"
}

file_rows() {
  local size=3221225472 plain=() sealed=() scp=() i login=() target ours_median scp_median
  head -c $size /dev/urandom >"$work/source"
  : >"$work/empty"
  start_sshd
  for ((i = 0; i < runs; ++i)); do
    for target in plain sealed scp; do
      rm -f "$work/target"
      sync "$work"
      cat "$work/source" >/dev/null  # in the page cache for each
      case $target in
        plain) plain+=("$(ours 127.0.0.1 "file:$work/source" "file:$work/target" --fabric=tcp)") ;;
        sealed) sealed+=("$(ours 127.0.0.1 "file:$work/source" "file:$work/target" --fabric=tcp --encrypt)") ;;
        scp)
          login+=("$(scp_seconds "$work/empty" "$work/target-empty")")
          scp+=("$(calc "$size / ($(scp_seconds "$work/source" "$work/target") - ${login[-1]}) / 1e6" 1)")
          ;;
      esac
      cmp -s "$work/source" "$work/target" || say "bench: the copies differ ($target)"
    done
    say "tcp file run $((i + 1)): ours ${plain[-1]}, sealed ${sealed[-1]}, scp ${scp[-1]}"
  done
  kill "$sshd"
  rm -f "$work/source" "$work/target"
  scp_median=$(median_of "${scp[@]}")
  ours_median=$(median_of "${plain[@]}")
  row "tcp file: 3 GiB file to file, MB/s" "$ours_median" "$scp_median" scp "$(calc "$ours_median / $scp_median")" ">= 3"
  ours_median=$(median_of "${sealed[@]}")
  row "tcp file: the same, sealed, MB/s" "$ours_median" "$scp_median" scp "$(calc "$ours_median / $scp_median")" ">= 2"
}
