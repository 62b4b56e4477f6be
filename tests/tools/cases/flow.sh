# shellcheck shell=bash
# shellcheck disable=SC2119  # start_server without arguments
# The buffer beyond the ring, and limits of rate.
# shellcheck source=../serve.bash
source "$cases/../serve.bash"

# 9 MB from a pipe while the consumer rests after its tenth byte: OPTIONs are of the end that has the buffer.
rest_behind_a_buffer() {  # receiver|sender [OPTION...]
  local receive=() send=()
  [[ $1 == receiver ]] && receive=("${@:2}") || send=("${@:2}")
  make_gate
  make_data 9000000 in
  start_reader to consume_with_gap 10
  start_writer from cat in
  start_recv "${receive[@]}" --ring 1M >to
  start_send "${send[@]}" --ring 1M <from
  await_bytes out 10
}

# Nobody waits for the consumer, and what is pinned is not the buffer.
producer_is_done_before_the_consumer() {  # receiver|sender
  local pinned
  rest_behind_a_buffer "$1" -m 20M
  await_end "$writer"
  ((status == 0)) || fail "the producer failed"
  both_alive
  pinned=$(awk '/^VmPin/ { print $2 }' "/proc/${!1}/status")
  ((pinned <= 6144)) || fail "$pinned KiB are pinned"
  open_gate
  both_succeed 9000000
  await_end "$reader"
  same in out
}
test_buffer_of_a_receiver() { producer_is_done_before_the_consumer receiver; }
test_buffer_of_a_sender() { producer_is_done_before_the_consumer sender; }

test_buffer_that_is_too_small_holds_up_the_producer() {
  : >told
  rest_behind_a_buffer receiver -m 2M --json-fd 5 --interval 0.2 5>told
  await_line told '"buffer_bytes":2097152,"buffer_size":2097152'
  pause 1
  runs "$writer" || fail "the producer need not wait"
  open_gate
  both_succeed 9000000
  await_end "$reader"
  same in out
}

test_buffer_is_dropped_at_once() {
  local end
  for end in receiver sender; do
    rest_behind_a_buffer "$end" -m 20M
    await_end "$writer"
    kill -TERM "${!end}"
    sender_exits 20 10
    receiver_exits 20 10
    kill "$reader"
    rm gate to from out
  done
}

test_buffer_fills_before_the_consumer_starts() {
  make_gate
  make_data 9000000 in
  start_writer from produce_with_gap 2000000
  start_reader to tee out >/dev/null
  start_recv -m 8M -P 50 >to
  start_send <from
  pause 1
  both_alive
  [[ ! -s out ]] || fail "the consumer has got $(stat -c %s out) bytes"
  open_gate
  both_succeed 9000000
  await_end "$reader"
  same in out
}

test_buffer_between_files_keeps_holes() {
  local end options
  truncate -s 20000000 in
  make_data 1000000 part
  dd if=part of=in bs=1M seek=4 conv=notrunc status=none
  dd if=part of=in bs=1M seek=12 conv=notrunc status=none
  for end in receiver sender; do
    for options in '-m 1%' '-m 4M -P 100 -p 10' '-m 8k'; do
      local receive=() send=()
      # shellcheck disable=SC2206  # words
      [[ $end == receiver ]] && receive=($options) || send=($options)
      rm -f out
      target=out start_recv "${receive[@]}"
      source=in start_send "${send[@]}"
      both_succeed 20000000
      same in out
      (($(stat -c %b out) * 512 <= 8000000)) || fail "$options at the $end: out has no holes"
    done
  done
}

test_buffer_of_more_than_there_is() {
  echo hello >in
  target=out start_recv -m 4000T
  source=in start_send
  receiver_exits 22
  sender_exits 22
  one_error recv.err "reserve a buffer of .*: Cannot allocate memory"
  says recv.err "hint: -m"
  absent out
}

# What -v says that the sender needed for SIZE bytes at RATE bytes a second is not too little, nor far too much; how
# well a rate is kept scripts/bench says.
took() {  # SIZE RATE
  local seconds
  seconds=$(sed -n 's/.* bytes in \([0-9.]*\) s.*/\1/p' send.err)
  awk -v t="$seconds" -v size="$1" -v rate="$2" -v slack="$((4 * scale))" \
    'BEGIN { exit !(t > 0.97 * size / rate && t < slack * size / rate) }' ||
    fail "$1 bytes took $seconds s at $2 bytes a second"
}

test_rates() {
  local end option
  make_data 4194304 in
  for end in receiver sender; do
    for option in '-r 2M' '-R 2M' '--rate-limit=2M'; do
      local receive=() send=()
      # shellcheck disable=SC2206  # words
      [[ $end == receiver ]] && receive=($option) || send=($option)
      rm -f out
      target=out start_recv "${receive[@]}"
      source=in start_send -v "${send[@]}"
      both_succeed 4194304
      same in out
      took 4194304 2097152
    done
  done
}

# A producer is read at its rate, while a buffer behind it goes out as fast as it can.
test_rates_on_both_sides_of_a_buffer() {
  make_data 4194304 in
  start_reader to tee out >/dev/null
  start_writer from cat in
  start_recv -m 8M -R 2M >to
  start_send -v -m 8M -r 4M <from
  both_succeed 4194304
  await_end "$reader"
  same in out
  took 4194304 2097152
}

test_timeout_does_not_end_a_wait_for_the_rate() {
  local end
  make_data 16384 in
  for end in receiver sender; do
    local receive=() send=()
    [[ $end == receiver ]] && receive=(-R 2k) || send=(--rate-limit 2k)
    rm -f out
    target=out start_recv --timeout 1 "${receive[@]}"
    source=in start_send --timeout 1 "${send[@]}"
    both_succeed 16384
    same in out
  done
}

# It ends what stands still all the same.
test_timeout_ends_a_stopped_consumer_behind_a_buffer() {
  rest_behind_a_buffer receiver -m 2M -r 100M --timeout 2
  receiver_exits 30
  sender_exits 30
  kill "$reader"
}

# limit 120
test_rdcp_rate_limit() {
  local way begin seconds
  make_keys 'max'
  start_server
  make_data 4194304 in
  as_client max --rate-limit=2M
  mkdir -p served
  for way in "in 127.0.0.1::there" "127.0.0.1::there back"; do
    begin=${EPOCHREALTIME/./}
    # shellcheck disable=SC2086  # words
    "${copy[@]}" ${way//127.0.0.1/$host} || fail "rdcp $way fails"
    seconds=$(((${EPOCHREALTIME/./} - begin) / 1000000))
    ((seconds >= 1)) || fail "rdcp $way took no time"
  done
  same in back
  stop_server
}

# What is read into the buffer brings a receiver that has stopped no further.
test_watchdog_behind_a_buffer() {
  start_recv >out
  start_send -m 512M -r 20M -W 2 </dev/zero
  await_bytes out 1000000
  kill -STOP "$receiver"
  await_end "$sender" 12
  [[ $status == 30 ]] || fail "rdsend exited with $status, not with 30"
  kill -CONT "$receiver"
  receiver_fails
}
