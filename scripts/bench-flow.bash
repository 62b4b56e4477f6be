# shellcheck shell=bash
# Part of scripts/bench: a consumer that rests, behind our buffer and behind mbuffer's; how well a rate is kept; and a
# stream to several receivers.
# shellcheck disable=SC2154  # bench-lib.bash's variables

flow_bytes=2200000000 flow_rate=100000000
resting=5      # seconds of every ten
flow_limit=90  # seconds for one transfer

write_flow_programs() {
  # Writes BYTES at BYTES a second.
  cat >"$work/produce.py" <<'EOF'
import os, sys, time
left, rate, block, begin, done = int(sys.argv[1]), float(sys.argv[2]), bytes(1 << 18), time.monotonic(), 0
while left > 0:
    sent = os.write(1, block[:left])
    left, done = left - sent, done + sent
    time.sleep(max(0, begin + done / rate - time.monotonic()))
EOF
  # Reads all, but for the last SECONDS of every ten, and prints how many bytes it was.
  cat >"$work/consume.py" <<'EOF'
import os, sys, time
rest, begin, total = float(sys.argv[1]), time.monotonic(), 0
while count := len(os.read(0, 1 << 18)):
    total += count
    over = (time.monotonic() - begin) % 10 - (10 - rest)
    if over > 0:
        time.sleep(rest - over)
print(total)
EOF
}

# Prints the rate in MB/s of SENDER | RECEIVER between producer and consumer, to the consumer's end; 0 where not every byte
# has come.
flow() {  # REST SENDER RECEIVER
  local consumer start
  { eval "timeout $flow_limit $3" | python3 "$work/consume.py" "$1" >"$work/consumed"; } 2>>"$work/flow.err" &
  consumer=$!
  wait_for_listener "$port"
  start=$EPOCHREALTIME
  python3 "$work/produce.py" "$flow_bytes" "$flow_rate" | eval "timeout $flow_limit $2" 2>>"$work/flow.err" ||
    say "$(cat "$work/flow.err")"
  wait "$consumer" || true
  if [[ $(<"$work/consumed") == "$flow_bytes" ]]; then
    calc "$flow_bytes / ($EPOCHREALTIME - $start) / 1e6" 1
  else
    echo 0
  fi
}

our_flow() {  # REST
  next_port
  flow "$1" "'$bin/rdsend' -q --fabric=tcp 127.0.0.1 $port $key" "'$bin/rdrecv' -q --fabric=tcp -m 1G $port $key"
}
mbuffer_flow() {  # REST
  next_port
  flow "$1" "mbuffer -q -s 256k -m 4M -O 127.0.0.1:$port" "mbuffer -q -s 256k -m 1G -I 127.0.0.1:$port"
}

# The buffers have room for twice what comes in a rest. The first goal is the issue's that this is for; the second is ours:
# no slower than mbuffer, but for what two runs differ by.
bursty_rows() {
  local i steady=() mine=() theirs=() rested
  write_flow_programs
  for ((i = 0; i < (runs + 1) / 2; ++i)); do
    steady+=("$(our_flow 0)")
    mine+=("$(our_flow $resting)")
    theirs+=("$(mbuffer_flow $resting)")
    say "tcp bursty run $((i + 1)): steady ${steady[-1]}, ours ${mine[-1]}, mbuffer ${theirs[-1]}"
  done
  rested=$(median_of "${mine[@]}")
  local at_best other
  at_best=$(median_of "${steady[@]}")
  other=$(median_of "${theirs[@]}")
  row "tcp bursty: consumer rests half the time, MB/s" "$rested" "$at_best" "ours, unstalled" \
    "$(calc "$rested / $at_best")" ">= 0.95"
  row "tcp bursty: the same beside mbuffer, MB/s" "$rested" "$other" mbuffer "$(calc "$rested / $other")" ">= 0.98"
}

# OPTION is of the sender, or of the receiver. The goal is the issue's.
rate_row_of() {  # sender|receiver OPTION RATE
  local send=() receive=() receiver rate
  [[ $1 == sender ]] && send=("$2" "$3") || receive=("$2" "$3")
  next_port
  "$bin/rdrecv" -q --fabric=tcp "${receive[@]}" "$port" "$key" >/dev/null & receiver=$!
  wait_for_listener "$port"
  head -c "$(($3 * 4))" /dev/zero | "$bin/rdsend" -q -v --fabric=tcp "${send[@]}" 127.0.0.1 "$port" "$key" 2>"$work/sent" ||
    say "$(cat "$work/sent")"
  wait "$receiver" || true
  rate=$(sed -n 's/.*, \([0-9]*\) bytes in \([0-9.]*\) s,.*/\1 \2/p' "$work/sent" | awk '{ printf "%.4f", $1 / $2 / 1e6 }')
  row "tcp rate: $1's $2 $3, off by" "$rate" "$(calc "$3 / 1e6" 4)" limit \
    "$(calc "($rate * 1e6 > $3 ? $rate * 1e6 - $3 : $3 - $rate * 1e6) / $3" 4)" "<= 0.02"
}

# COUNT receivers to /dev/null: `receivers` are their pids, `targets` their ports.
start_receivers() {  # COUNT
  local i
  receivers=() targets=()
  for ((i = 0; i < $1; ++i)); do
    next_port
    timeout "$flow_limit" "$bin/rdrecv" -q --fabric=tcp "$port" "$key" >/dev/null & receivers+=("$!")
    wait_for_listener "$port"
    targets+=("$port")
  done
}

send_zeros() {  # BYTES RDSEND-OPTION...
  head -c "$1" /dev/zero | timeout "$flow_limit" "$bin/rdsend" -q -v --fabric=tcp "${@:2}" --key-fd=9 9<<<"$key"
}

# Prints the rate in MB/s at which `head -c BYTES /dev/zero` goes to COUNT receivers.
fanned_out() {  # COUNT BYTES
  start_receivers "$1"
  send_zeros "$2" "${targets[@]/#/-O127.0.0.1:}" -m 64M 2>"$work/sent" || say "$(cat "$work/sent")"
  wait "${receivers[@]}" || say "bench: a receiver failed"
  rate_of "$work/sent"
}

# The same by COUNT rdsends at once, to the end of the last.
sent_apart() {  # COUNT BYTES
  local start target senders=() failed=false
  start_receivers "$1"
  start=$EPOCHREALTIME
  for target in "${targets[@]}"; do
    send_zeros "$2" 127.0.0.1 "$target" 2>/dev/null & senders+=("$!")
  done
  for target in "${senders[@]}"; do wait "$target" || failed=true; done
  if $failed; then echo 0; else calc "$2 / ($EPOCHREALTIME - $start) / 1e6" 1; fi
  wait "${receivers[@]}" || say "bench: a receiver failed"
}

# How much is read in a second, with four receivers and with one; all of them run on this machine. Four times the work in
# four times the time is the least that is worth a word; and reading and digesting once must not be slower than four times.
fan_out_rows() {
  local i one=() four=() apart=() single all each bytes=2147483648
  for ((i = 0; i < runs; ++i)); do
    one+=("$(fanned_out 1 $bytes)")
    four+=("$(fanned_out 4 $bytes)")
    apart+=("$(sent_apart 4 $bytes)")
    say "tcp fan-out run $((i + 1)): to one ${one[-1]}, to four ${four[-1]}, by four rdsends ${apart[-1]}"
  done
  single=$(median_of "${one[@]}")
  all=$(median_of "${four[@]}")
  each=$(median_of "${apart[@]}")
  row "tcp fan-out: 2 GiB to 4 beside to 1, MB/s" "$all" "$single" "ours, to one" "$(calc "$all / $single")" ">= 0.25"
  row "tcp fan-out: the same by 4 rdsends, MB/s" "$all" "$each" "4 rdsends" "$(calc "$all / $each")" ">= 1"
}

flow_rows() {
  local rate
  ! wanted "tcp fan-out" || fan_out_rows
  ! wanted "tcp bursty" || bursty_rows
  wanted "tcp rate" || return 0
  for rate in 1000000 10000000 100000000; do
    rate_row_of sender --rate-limit "$rate"
    rate_row_of receiver -R "$rate"
  done
}
