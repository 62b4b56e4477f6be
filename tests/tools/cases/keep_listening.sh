# shellcheck shell=bash
# shellcheck disable=SC2016  # scripts for the commands' shells
# rdrecv -k: one sender after another.

send_text() {  # TEXT [OPTION...]
  start_send "${@:2}" < <(printf %s "$1")
  sender_exits 0
}
ends_listening() {  # STATUS
  kill -TERM "$receiver"
  receiver_exits "$1"
}

test_keep_listening_into_files() {
  echo mine >got.1
  target=got.%n start_recv -k
  send_text one
  send_text two
  ends_listening 0
  holds got.1 mine
  holds got.2 one
  holds got.3 two
  says recv.err "^rdrecv: receiving into 'got.3'$"
  no_temporaries
  ! grep -q error recv.err || fail "an end that was asked for is no error"
}

test_keep_listening_goes_on_after_failures() {
  target=got.%n start_recv -k
  start "$bin/rdsend" --fabric="$fabric" "$host" "$port" "not the key of that rdrecv" </dev/null 2>send.err
  sender=$!
  sender_exits 5
  producer=(-- sh -c 'echo part; exit 3')
  start_send </dev/null
  sender_exits 14
  # The sender may know that it has failed before the receiver has removed what there was of it.
  until [[ -z $(find . -name '.got.*.rdpipe-*') ]]; do
    runs "$receiver" || fail "rdrecv has ended"
    pause 0.02
  done
  make_gate
  producer=()
  start_writer from produce_into_gate
  start_send <from
  until [[ -n $(find . -name '.got.*.rdpipe-*') ]]; do pause 0.02; both_alive; done
  kill -KILL "$sender"
  await_line recv.err 'error: .*sender went away|error: .*incomplete|error: .*Connection reset'
  open_gate
  send_text good
  ends_listening 0
  holds got.1 good
  (($(grep -c '^rdrecv: error: ' recv.err) == 2)) || fail "not one line for each failure"
  no_temporaries
}
produce_into_gate() {
  echo begin
  wait_gate
}

test_keep_listening_serves_in_turn() {
  make_gate
  echo hello >in
  target=got.%n start_recv -k
  start_writer from produce_with_gap 2
  start_send <from
  local first=$sender
  until [[ -n $(find . -name '.got.*.rdpipe-*') ]]; do pause 0.02; both_alive; done
  start_send --connect-timeout 60 < <(echo second)
  pause 0.5
  both_alive
  open_gate
  await_end "$first"
  [[ $status == 0 ]] || fail "the first exited with $status"
  sender_exits 0
  ends_listening 0
  same in got.1
  holds got.2 second
}

test_keep_listening_into_commands() {
  consumer=(-- sh -c 'cat >>all; echo . >>all; [ "$(tail -c 6 all)" != "$(printf "bad\n.")" ]')
  start_recv --keep-listening
  send_text 'one '
  start_send < <(echo bad)
  sender_exits 14
  one_error send.err "run 'sh' on"
  send_text 'two '
  ends_listening 0
  [[ $(tr -d '\n' <all) == 'one .bad.two .' ]] || fail "the commands got $(<all)"
}

# Its last stream is in its place, and the sender has not said goodbye.
test_keep_listening_interrupted_behind_a_stream() {
  consumer=(-- sh -c 'cat >all; until [ -s sender ]; do sleep 0.02; done; kill -STOP "$(cat sender)"; : >stopped')
  start_recv -k
  start_send < <(echo good)
  echo "$sender" >sender
  until [[ -e stopped ]]; do pause 0.02; both_alive; done
  pause 0.5
  ends_listening 0
  holds all good
  kill -CONT "$sender"
  await_end "$sender"
}

test_keep_listening_interrupted_within_a_stream() {
  make_gate
  target=got.%n start_recv -k
  start_writer from produce_into_gate
  start_send <from
  until [[ -n $(find . -name '.got.*.rdpipe-*') ]]; do pause 0.02; both_alive; done
  kill -TERM "$receiver"
  both_exit 20
  absent got.1
  no_temporaries
  open_gate
}

# What came into its place meanwhile stays.
test_keep_listening_replaces_nothing() {
  make_gate
  target=got.%n start_recv -k
  start_writer from produce_into_gate
  start_send <from
  until [[ -n $(find . -name '.got.*.rdpipe-*') ]]; do pause 0.02; both_alive; done
  echo mine >got.1
  open_gate
  sender_exits 11
  one_error send.err "store 'got.1' on .*: File exists"
  send_text next
  ends_listening 0
  holds got.1 mine
  holds got.2 next
}

test_keep_listening_tells_the_sender_of_a_bad_target() {
  mkdir missing
  target=missing/%Y%m%d-%H%M%S start_recv -k
  rmdir missing
  start_send < <(echo hello)
  sender_exits 3
  one_error send.err "store 'missing/2[0-9]*-[0-9]*' on .*: No such file"
  mkdir missing
  send_text hello
  ends_listening 0
  holds "$(find missing -type f)" hello
}

test_keep_listening_refuses_what_makes_no_sense() {
  local words
  start "$bin/rdrecv" -k 0 "$key" missing/out.%n 2>recv.err </dev/null
  receiver=$!
  receiver_exits 3
  one_error recv.err "store 'missing/out.%n': No such file"
  for words in "0 $key" "0 $key out" "0 $key out.%q" "0 $key out%" "0 $key 100%%" "--inplace 0 $key out.%n"; do
    # shellcheck disable=SC2086
    start "$bin/rdrecv" -k $words 2>recv.err </dev/null
    receiver=$!
    receiver_exits 1
    one_error recv.err "keep-listening|means nothing"
  done
}
