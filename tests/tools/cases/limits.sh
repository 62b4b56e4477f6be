# shellcheck shell=bash
# Ordinary users, small limits, and kernels that forbid io_uring.

moves_a_file() {
  make_data 3000001 in
  target=out start_recv
  source=in start_send
  both_succeed 3000001
  same in out
}

test_memlock_of_8_mib() {
  become_nobody prlimit --memlock=8388608:8388608
  moves_a_file
}

# tcp only: RDMA has to pin more than that
test_memlock_of_64_kib() {
  become_nobody prlimit --memlock=65536:65536
  moves_a_file
}

# rdma only: TCP pins nothing
test_rdma_with_memlock_of_64_kib_says_what_to_raise() {
  become_nobody prlimit --memlock=65536:65536
  make_data 3000001 in
  start "${wrap[@]}" "$bin/rdrecv" --fabric=rdma 0 "$key" out </dev/null 2>recv.err
  receiver=$!
  until [[ $(<recv.err) =~ listening\ on\ port\ ([0-9]+) ]]; do
    # Too little even to listen: then it says so.
    kill -0 "$receiver" 2>/dev/null || { receiver_exits 22; says recv.err "memlock|ulimit -l"; return; }
    pause 0.02
  done
  port=${BASH_REMATCH[1]}
  wrap=()
  source=in start_send
  await_end "$sender"
  if ((status == 0)); then receiver_exits 0; same in out; return; fi
  ((status == 22 || status == 35)) || fail "rdsend exited with $status"
  one_error send.err .
  receiver_exits 22
  one_error recv.err .
  says recv.err "memlock|ulimit -l"
  absent out
  no_temporaries
}

# rdma only: TCP pins nothing
test_rdma_sender_with_memlock_of_64_kib_says_what_to_raise() {
  make_data 3000001 in
  target=out start_recv
  become_nobody prlimit --memlock=65536:65536
  source=in start_send
  await_end "$sender" 40
  # A ring may be small enough for that.
  if ((status == 0)); then receiver_exits 0; same in out; return; fi
  ((status == 22)) || fail "rdsend exited with $status"
  one_error send.err .
  says send.err "memlock|ulimit -l"
  absent out
  no_temporaries
}

# rdma only: TCP pins nothing
test_a_ring_smaller_than_asked_for_is_told() {
  become_nobody prlimit --memlock=1048576:1048576
  moves_a_file
  says recv.err 'rdrecv: .*the ring is [0-9.]+ KiB, not 5 MiB: pin .*ulimit -l'
  says send.err 'rdsend: .*the ring is [0-9.]+ KiB, not 5 MiB: pin .*ulimit -l'
}

# rdma only: TCP pins nothing
test_a_listener_that_may_pin_nothing_takes_tcp() {
  make_data 3000001 in
  become_nobody prlimit --memlock=16384:16384
  fabric=auto target=out start_recv
  wrap=()
  fabric=auto source=in start_send
  both_exit 0
  same in out
  says recv.err 'rdrecv: .*using TCP: .*ulimit -l'
  says send.err 'rdsend: .*using TCP: '
}

test_without_io_uring() {
  type -P python3 >/dev/null || skip "python3 is not installed"
  wrap=(python3 "$cases/../without-io-uring")
  "${wrap[@]}" true || skip "this kernel takes no seccomp filter"
  moves_a_file
}

test_pipes_without_io_uring() {
  type -P python3 >/dev/null || skip "python3 is not installed"
  wrap=(python3 "$cases/../without-io-uring")
  "${wrap[@]}" true || skip "this kernel takes no seccomp filter"
  make_data 3000001 in
  start_reader to tee out >/dev/null
  start_writer from cat in
  start_recv >to
  start_send <from
  both_succeed 3000001
  await_end "$reader"
  same in out
}

test_idle_tools_sleep() {
  make_gate
  echo hello >in
  start_writer from produce_with_gap 2
  start_reader to tee out >/dev/null
  start_recv >to
  start_send <from
  await_bytes out 2
  local before after
  before=$(ticks)
  pause 2
  after=$(ticks)
  ((after - before <= 10)) || fail "idle for 2 s, and $((after - before)) ticks of cpu time"
  open_gate
  both_succeed 6
}
ticks() { awk '{total += $14 + $15} END {print total}' "/proc/$sender/stat" "/proc/$receiver/stat"; }

test_few_descriptors_are_enough() {
  wrap=(prlimit --nofile=32:32)
  moves_a_file
}
