# shellcheck shell=bash
# Pipes that pause, readers that leave, processes that are stopped: slow is not dead.

test_reader_that_leaves() {
  start_reader to head -c 1 >/dev/null
  start_writer from sh -c 'exec yes'
  start_recv >to
  start_send <from
  both_exit 11
  one_error recv.err "Broken pipe"
  one_error send.err "on $(hostname): Broken pipe"
}

test_closed_stdout() {
  echo hello >in
  start "$bin/rdrecv" --fabric="$fabric" 0 "$key" </dev/null 2>recv.err >&-
  receiver=$!
  receiver_exits 3
  one_error recv.err "standard output|stdout"
}

test_closed_stdin() {
  port=4711 start_send <&-
  sender_exits 3
  one_error send.err "standard input|stdin"
}

test_dash_is_standard_input_and_output() {
  make_data 100001 in
  target=- start_recv >out
  source=- start_send <in
  both_succeed 100001
  same in out
  absent ./-
}

# In each of the following somebody rests for SECONDS, longer than the OPTION --keep-alive or its default.

producer_pauses() {  # SECONDS [OPTION...]
  make_gate
  make_data 200000 in
  start_writer from produce_with_gap 100000
  target=out start_recv "${@:2}"
  start_send "${@:2}" <from
  pause "$1"
  both_alive
  open_gate
  both_succeed 200000
  same in out
}
test_producer_that_pauses() { producer_pauses 3.5 --keep-alive 1; }
# long
# limit 120
test_producer_that_pauses_30_s() { producer_pauses 30; }

consumer_pauses() {  # SECONDS [OPTION...]
  make_gate
  make_data 9000000 in
  start_reader to consume_with_gap 10
  start_recv "${@:2}" >to
  source=in start_send "${@:2}"
  await_bytes out 10
  pause "$1"
  both_alive
  open_gate
  both_succeed 9000000
  await_end "$reader"
  same in out
}
test_consumer_that_pauses() { consumer_pauses 3.5 --keep-alive 1; }
# long
# limit 120
test_consumer_that_pauses_60_s() { consumer_pauses 60; }

stops_and_goes_on() {  # sender|receiver SECONDS [OPTION...]
  make_gate
  make_data 9000000 in
  start_writer from produce_with_gap 4000000
  start_reader to tee out >/dev/null
  start_recv "${@:3}" >to
  start_send "${@:3}" <from
  await_bytes out 1
  kill -STOP "${!1}"
  open_gate
  pause "$2"
  both_alive
  kill -CONT "${!1}"
  both_succeed 9000000
  await_end "$reader"
  same in out
}
test_stopped_sender() { stops_and_goes_on sender 3.5 --keep-alive 1; }
test_stopped_receiver() { stops_and_goes_on receiver 3.5 --keep-alive 1; }
# long
# limit 120
test_sender_stopped_for_60_s() { stops_and_goes_on sender 60; }
# long
# limit 120
test_receiver_stopped_for_60_s() { stops_and_goes_on receiver 60; }

test_first_bytes_need_not_wait_for_more() {
  make_gate
  echo hello >in
  start_writer from produce_with_gap 3
  start_reader to tee out >/dev/null
  start_recv >to
  start_send <from
  await_bytes out 3
  open_gate
  both_succeed 6
  await_end "$reader"
}

test_timeout_ends_a_stalled_transfer() {
  make_gate
  echo hello >in
  start_writer from produce_with_gap 3
  start_recv --timeout 2 >out
  start_send <from
  receiver_exits 30
  sender_exits 30
  one_error recv.err ": no data moved for 2 s$"
  one_error send.err "^rdsend: error: transfer with [^ ]+: it gave up by its --timeout: no data moved for 2 s$"
  open_gate
}

# All of it waits in the pipe; no slot tells that it is taken, and the sender is told.
test_timeout_does_not_end_a_slow_reader() {
  local file pace=0.7
  ((scale == 1)) || pace=$((scale / 2))
  make_data 80000 in
  for file in '' to; do
    start_reader to bash -c "while dd bs=10000 count=1 status=none | grep -q ''; do sleep $pace; done"
    if [[ -z $file ]]; then
      start_recv --timeout $((2 * scale)) >to
    else
      target=$file start_recv --timeout $((2 * scale))
    fi
    source=in start_send --timeout $((2 * scale))
    both_succeed 80000
  done
}

# Every slot of the ring is full, and its reader takes less than a slot in the time that it is given.
test_timeout_does_not_end_a_reader_of_full_slots() {
  make_data 9000000 in
  start_reader to bash -c 'for _ in {1..12}; do head -c 5000 >/dev/null; sleep 0.5; done; exec cat >out'
  start_recv --timeout 2 >to
  source=in start_send --timeout 2
  both_succeed 9000000
}

test_sender_waits_until_the_reader_has_all() {
  make_gate
  head -c 1000 /dev/zero >in
  start_reader to consume_with_gap 999
  start_recv >to
  source=in start_send
  await_bytes out 999
  pause 1
  both_alive
  open_gate
  both_succeed 1000
  await_end "$reader"
  same in out
}
