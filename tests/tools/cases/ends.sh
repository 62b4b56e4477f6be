# shellcheck shell=bash
# Signals and killed processes: both ends end soon, with a status that says so, and nothing half done is left.

# A transfer in mid-stream, stalled: 4000 bytes have arrived, the rest waits at the gate.
stall_in_mid_stream() {
  make_gate
  make_data 9000 in
  start_writer from produce_with_gap 4000
  start_reader to tee out >/dev/null
  start_recv --keep-alive 1 >to
  start_send --keep-alive 1 <from
  await_bytes out 4000
}

signal_ends_both() {  # SIGNAL sender|receiver
  stall_in_mid_stream
  kill "-$1" "${!2}"
  both_exit 20
  one_error send.err "interrupted by SIG$1"
  one_error recv.err "interrupted by SIG$1"
  if [[ $2 == sender ]]; then says recv.err "error: $(hostname): "; else says send.err "error: $(hostname): "; fi
}
test_sigint_at_the_sender() { signal_ends_both INT sender; }
test_sigint_at_the_receiver() { signal_ends_both INT receiver; }
test_sigterm_at_the_sender() { signal_ends_both TERM sender; }
test_sigterm_at_the_receiver() { signal_ends_both TERM receiver; }
test_sighup_at_the_sender() { signal_ends_both HUP sender; }
test_sighup_at_the_receiver() { signal_ends_both HUP receiver; }

# Whatever the receiver has it knows; the sender does not.
test_sigterm_at_the_sender_behind_the_end() {
  consumer=(-- sh -c 'cat >/dev/null; : >ended; exec sleep 60')
  echo hello >in
  start_recv
  source=in start_send
  until [[ -e ended ]]; do pause 0.02; both_alive; done
  kill -TERM "$sender"
  both_exit 20
  one_error send.err 'interrupted by SIGTERM before the other end confirmed: whether it has the data is unknown$'
  one_error recv.err 'interrupted by SIGTERM$'
}

test_signals_leave_target_and_no_partial_file() {
  local signal end
  for signal in INT TERM HUP; do
    for end in sender receiver; do
      echo "$signal at the $end"
      echo old | tee before >out
      stall_before_the_end
      kill "-$signal" "${!end}"
      both_exit 20
      same before out
      no_temporaries
      rm -f gate from
    done
  done
  rm out
  stall_before_the_end
  kill -INT "$receiver"
  both_exit 20
  absent out
  no_temporaries
}

# The other end cannot say its last word: what the second signal hurries still has a line, and cleans up.
test_second_signal_leaves_no_partial_file() {
  stall_before_the_end
  kill -STOP "$sender"
  kill -INT "$receiver"
  pause 0.3
  kill -INT "$receiver" || true
  receiver_exits 20
  one_error recv.err "SIGINT|interrupted"
  kill -CONT "$sender"
  sender_fails
  absent out
  no_temporaries
}

test_signal_while_listening() {
  target=out start_recv
  kill -TERM "$receiver"
  receiver_exits 20
  one_error recv.err "SIGTERM|signal|terminated"
  absent out
}

test_signal_while_connecting() {
  choose_port
  source=/dev/null start_send --connect-timeout 30
  pause 0.5
  kill -INT "$sender"
  sender_exits 20
}

test_killed_sender_in_mid_stream() {
  stall_in_mid_stream
  kill -KILL "$sender"
  receiver_exits 12
  one_error recv.err "ended early|incomplete|went away"
}

test_killed_receiver_in_mid_stream() {
  stall_in_mid_stream
  kill -KILL "$receiver"
  sender_exits 10
  one_error send.err "went away|lost"
}

test_killed_receiver_leaves_the_target_alone() {
  make_gate
  echo old >out
  echo hello >in
  start_writer from produce_with_gap 2
  target=out start_recv
  start_send <from
  until [[ -n $(find . -name '.out.rdpipe-*') ]]; do pause 0.02; both_alive; done
  kill -KILL "$receiver"
  sender_fails
  holds out old
  # What a killed process cannot take away, the next one sweeps.
  target=out start_recv
  source=in start_send
  both_succeed 6
  same in out
  no_temporaries
}

test_receiver_killed_before_the_handshake() {
  start_recv >out
  kill -STOP "$receiver"
  source=/dev/null start_send --connect-timeout 3
  pause 0.5
  kill -KILL "$receiver"
  await_end "$sender"
  ((status == 10 || status == 35)) || fail "rdsend exited with $status"
  one_error send.err .
}

test_sender_killed_before_the_handshake() {
  echo hello >in
  target=out start_recv
  kill -STOP "$receiver"
  source=/dev/null start_send
  pause 0.5
  kill -KILL "$sender"
  kill -CONT "$receiver"
  source=in start_send
  both_succeed 6
  same in out
}

# All bytes are with the receiver, which waits for its reader to take the last one.
stall_before_committed() {
  make_gate
  head -c 1000 /dev/zero >in
  start_reader to consume_with_gap 999
  start_recv --keep-alive 1 >to
  source=in start_send --keep-alive 1
  await_bytes out 999
  pause 0.5
}

test_receiver_killed_before_committed() {
  stall_before_committed
  kill -KILL "$receiver"
  sender_exits 10
  one_error send.err "unknown"
}

test_sender_killed_before_committed() {
  stall_before_committed
  kill -KILL "$sender"
  open_gate
  await_end "$reader"
  # It may have committed before it noticed: then it says so.
  await_end "$receiver"
  if ((status == 0)); then
    same in out
    says recv.err warning
  else
    ((status == 12)) || fail "rdrecv exited with $status"
    one_error recv.err .
  fi
}

test_stdin_that_errs() {
  type -P python3 >/dev/null || skip "python3 is not installed"
  cat >reset <<'END'
import socket, struct
listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)
peer = listener.accept()[0]
peer.sendall(bytes(100000))
peer.recv(1)
peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
peer.close()
END
  start python3 reset >whereto
  await_line whereto port
  exec {connection}<>"/dev/tcp/127.0.0.1/$(sed 's/port //' whereto)"
  echo old | tee before >out
  target=out start_recv
  start_send <&"$connection"
  until [[ -n $(find . -name '.out.rdpipe-*' -size +0) ]]; do pause 0.02; both_alive; done
  echo >&"$connection"
  both_exit 11
  one_error send.err "standard input: Connection reset"
  one_error recv.err "standard input on $(hostname): Connection reset"
  same before out
  no_temporaries
}

test_directory_as_stdin() {
  target=out start_recv
  start_send <.
  sender_exits 3
  one_error send.err "directory"
  absent out
  no_temporaries
}
