# shellcheck shell=bash
# Somebody on the path who alters, repeats, holds back and cuts, and others who pretend: nobody is told that all is well
# when it is not, and the target stays as it was.

# One transfer of `in` to `out`, through somebody who does DEED to what passes.
send_through() {  # DEED [RDSEND-OPTION...]
  echo old | tee before >out
  target=out start_recv --keep-alive 2
  start_attacker relay "$host" "$port" "$1"
  source=in start_send --keep-alive 2 "${@:2}"
}

# Both ends say in one line that the stream is damaged, and nothing has become of the target.
both_find_it_damaged() {
  both_exit 12
  one_error send.err .
  one_error recv.err .
  same before out
  no_temporaries
}

test_relay_that_does_nothing() {
  make_data 3000001 in
  send_through nothing-at-all
  both_succeed 3000001
  same in out
  send_through nothing-at-all --encrypt
  both_succeed 3000001
  same in out
}

test_altered_data_is_found_by_the_digest() {
  make_data 3000001 in
  send_through alter-data3
  both_find_it_damaged
  says recv.err "digest"
}

test_altered_data_is_found_by_the_seal() {
  make_data 3000001 in
  send_through alter-data3 --encrypt --no-checksum
  both_find_it_damaged
}

test_a_seal_cannot_be_taken_off() {
  make_data 3000001 in
  send_through unseal-data2 --encrypt
  both_find_it_damaged
}

# Frames that move within the stream, with seals and without; no digest is needed to find that.
finds_displaced_frames() {  # RDSEND-OPTION...
  local deed
  make_data 3000001 in
  for deed in move-data2 omit-data2 repeat-data2 delay-data2; do
    echo "$deed"
    send_through "$deed" --no-checksum "$@"
    both_find_it_damaged
  done
}
test_displaced_frames() { finds_displaced_frames --no-encrypt; }
test_displaced_sealed_frames() { finds_displaced_frames --encrypt; }

test_altered_end() {
  make_data 3000001 in
  send_through alter-end
  both_find_it_damaged
}

test_stream_cut_before_its_end() {
  make_data 3000001 in
  send_through cut-end
  sender_exits 10
  receiver_exits 12
  one_error send.err "unknown"
  one_error recv.err "went away|incomplete"
  same before out
  no_temporaries
}

# The receiver has all, the sender is never told so: only the receiver may exit with 0, and then it says the truth.
unknown_to_the_sender() {  # STATUS REGEX
  sender_exits "$1"
  one_error send.err "$2"
  await_end "$receiver"
  if ((status == 0)); then
    same in out
    says recv.err "warning"
  else
    one_error recv.err .
    same before out
  fi
  no_temporaries
}

test_connection_cut_right_after_end() {
  make_data 3000001 in
  send_through last-end
  unknown_to_the_sender 10 "unknown"
}

test_connection_cut_instead_of_committed() {
  make_data 3000001 in
  send_through cut-committed
  unknown_to_the_sender 10 "unknown"
}

test_altered_committed() {
  make_data 3000001 in
  send_through alter-committed
  unknown_to_the_sender 12 "altered"
}

test_altered_greeting() {
  make_data 100 in
  # The end of HELLO is the minor version: that is noticed inside TLS.
  send_through alter-hello --connect-timeout 3
  both_exit 2
  one_error send.err "tampered"
  one_error recv.err "tampered"
  same before out
  no_temporaries
}

# The end of the answer is the salt, which makes the id of a key: it is then another one's.
test_altered_answer() {
  make_data 100 in
  send_through alter-answer --connect-timeout 3
  sender_exits 5
  one_error send.err "wrong key"
  await_line recv.err "turned away .*: wrong key"
  runs "$receiver" || fail "rdrecv has ended"
  same before out
  no_temporaries
}

test_recorded_conversation_is_of_no_use() {
  make_data 100000 in
  target=out start_recv
  start_attacker relay "$host" "$port" nothing-at-all recorded
  source=in start_send
  both_succeed 100000
  (($(stat -c %s recorded) > 100000)) || fail "recorded no data"
  rm out
  make_data 5 other
  target=out start_recv
  timeout $((10 * scale)) "${attacker[@]}" knock "$host" "$port" recorded || fail "nobody hung up on the replay"
  await_line recv.err "^rdrecv: turned away $host:[0-9]+: "
  absent out
  source=other start_send
  both_succeed 5
  same other out
}

test_greeting_in_another_version() {
  echo hello >in
  target=out start_recv
  choose_attacker
  timeout $((10 * scale)) "${attacker[@]}" hello "$host" "$port" 2 >answer || fail "no answer, or no end"
  holds answer "magic 52445031, version 3, verdict 1"
  await_line recv.err "^rdrecv: turned away $host:[0-9]+: .*protocol 2"
  absent out
  source=in start_send
  both_succeed 6
  same in out
}

# --- Listeners that are none ------------------------------------------------------------------------------------------

test_listener_of_another_version() {
  start_attacker listen "$host" version
  source=/dev/null start_send
  sender_exits 2
  one_error send.err "protocol 4"
}

test_listener_that_is_something_else() {
  local kind
  for kind in text noise zeros framed-noise refusal; do
    echo "$kind"
    start_attacker listen "$host" "$kind"
    source=/dev/null start_send
    sender_exits 2
    one_error send.err "not rdpipe"
  done
}

test_listener_that_never_comes_to_the_point() {
  start_attacker listen "$host" endless
  source=/dev/null start_send --connect-timeout 2
  await_end "$sender"
  ((status == 2 || status == 35)) || fail "rdsend exited with $status"
  one_error send.err .
}

test_silent_listener() {
  start_attacker listen "$host" silence
  local before=$SECONDS
  source=/dev/null start_send --connect-timeout 2
  sender_exits 35 $((4 * scale))
  ((SECONDS - before >= 1)) || fail "gave up at once"
  one_error send.err "time|answer"
}

test_listener_that_shows_a_certificate() {
  type -P openssl >/dev/null || skip "openssl is not installed"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=rdpipe -days 2 \
    -keyout identity -out certificate 2>/dev/null
  cat certificate >>identity
  echo secret >in
  start_attacker listen "$host" certificate identity
  source=in start_send --connect-timeout 3
  await_end "$sender"
  ((status == 2 || status == 5)) || fail "rdsend exited with $status"
  one_error send.err .
  await_line attacker.out "gone"
  ! grep heard attacker.out || fail "rdsend spoke to a listener that does not know the key"
}

test_listener_with_another_key() {
  key=ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff target=out start_recv
  echo secret >in
  source=in start_send
  sender_exits 5
  one_error send.err "key"
  absent out
}
