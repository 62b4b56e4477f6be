# shellcheck shell=bash
# Who starts first, who is not there, and who else knocks.

test_receiver_first() {
  echo hello >in
  target=out start_recv
  source=in start_send
  both_succeed 6
  same in out
}

test_sender_first() {
  echo hello >in
  choose_port
  source=in start_send --connect-timeout 30
  pause 0.5
  listen_on=$port target=out start_recv
  both_succeed 6
  same in out
}

test_ipv6() {
  [[ -n $host6 ]] || skip "no IPv6 address known for the device"
  [[ -e /proc/net/if_inet6 ]] || skip "no IPv6 on this host"
  echo hello >in
  target=out start_recv -6
  host=[$host6] source=in start_send
  both_succeed 6
  same in out
}

test_port_closes_once_a_sender_is_in() {
  make_gate
  echo hello >in
  start_writer from produce_with_gap 3
  start_recv >out
  start_send <from
  await_bytes out 3
  status=0
  "$bin/rdsend" --fabric="$fabric" --connect-timeout "$scale" "$host" "$port" "$key" in 2>second.err || status=$?
  ((status == 35)) || fail "the second sender exits with $status"
  says second.err "hint: .*taken by another sender"
  open_gate
  both_succeed 6
}

test_listener_that_hangs_up() {
  start_attacker listen "$host" hang-up
  source=/dev/null start_send
  sender_exits 10
  one_error send.err "closed the connection before the handshake"
  says send.err "hint: another program may listen there"
}

test_no_listener() {
  choose_port
  source=/dev/null start_send --connect-timeout "$scale"
  sender_exits 35
  one_error send.err "refused|no listener|unreachable"
}

# rdma only: it takes a device to try both
test_no_listener_tells_of_both_fabrics() {
  choose_port
  fabric=auto source=/dev/null start_send --connect-timeout "$((2 * scale))"
  sender_exits 35
  one_error send.err "RDMA: .*; TCP: .*refused"
}

# rdma only: over TCP it is one
test_loopback_address_is_no_rdma_endpoint() {
  host=127.0.0.1 port=4711 source=/dev/null start_send
  sender_exits 3
  one_error send.err "127.0.0.1"
}

# tcp only: this host has RDMA
test_no_listener_tells_of_each_fabric() {
  [[ -z $(ls /sys/class/infiniband 2>/dev/null) ]] || skip "this host has an RDMA device"
  choose_port
  fabric=auto source=/dev/null start_send --connect-timeout 1
  sender_exits 35
  one_error send.err "RDMA: .*no RDMA device; TCP: .*refused"
}

test_unknown_host() {
  # A name server that cannot be reached does not know: ask none, where that can be arranged.
  echo 'hosts: files' >nsswitch
  ! may_mount || mount --bind nsswitch /etc/nsswitch.conf
  port=4711 host=no-such-host.invalid source=/dev/null start_send --connect-timeout 10
  sender_exits 3 25
  one_error send.err no-such-host.invalid
}

# tcp only: the same over both
test_address_of_the_other_family() {
  port=4711
  host=::1 source=/dev/null start_send -4
  sender_exits 3
  one_error send.err "address '::1': it is not an IPv4 address"
  source=/dev/null start_send -6 --address 127.0.0.1
  sender_exits 3
  one_error send.err "address '127.0.0.1': it is not an IPv6 address"
  source=/dev/null host=127.0.0.1 start_send --address ::1
  sender_exits 3
  one_error send.err "connect from ::1: the peer has no address of its family"
  "$bin/rdrecv" --fabric=tcp -4 --address ::1 0 "$key" 2>recv.err && fail "listens on ::1 with -4"
  one_error recv.err "address '::1': it is not an IPv4 address"
}

# tcp only: the same over both
test_host_as_other_tools_take_it() {
  echo 'hosts: files' >nsswitch
  ! may_mount || mount --bind nsswitch /etc/nsswitch.conf
  port=4711 host=me@no-such-host.invalid source=/dev/null start_send --connect-timeout 10
  sender_fails 25
  says send.err "hint: HOST is .* without a user"
  port=4711 host=no-such-host.invalid:12345 source=/dev/null start_send --connect-timeout 10
  sender_fails 25
  says send.err "hint: HOST and PORT are two words: no-such-host.invalid 12345"
}

test_port_in_use() {
  start_recv >out
  cp recv.err first.err
  local first=$receiver
  "$bin/rdrecv" --fabric="$fabric" "$port" "$key" >out 2>recv.err </dev/null && fail "listens twice on one port"
  one_error recv.err "in use"
  kill -0 "$first" || fail "the first has ended"
}

test_port_in_use_has_status_10() {
  start_recv >out
  start "$bin/rdrecv" --fabric="$fabric" "$port" "$key" >out 2>recv.err </dev/null
  receiver=$!
  receiver_exits 10
}

test_no_such_device() {
  port=4711 fabric=rdma source=/dev/null start_send -d no_such_device0 --connect-timeout 2
  sender_exits 3
  one_error send.err "device"
  start "$bin/rdrecv" --fabric=rdma -d no_such_device0 0 "$key" >out 2>recv.err </dev/null
  receiver=$!
  receiver_exits 3
  one_error recv.err "device"
}

# tcp only: this host has RDMA
test_rdma_asked_for_where_there_is_none() {
  [[ -z $(ls /sys/class/infiniband 2>/dev/null) ]] || skip "this host has an RDMA device"
  port=4711 fabric=rdma source=/dev/null start_send
  sender_exits 3
  one_error send.err "rdma"
  start "$bin/rdrecv" --fabric=rdma 0 "$key" >out 2>recv.err </dev/null
  receiver=$!
  receiver_exits 3
  one_error recv.err "rdma"
}

# tcp only: this host has RDMA
test_auto_says_once_that_it_uses_tcp() {
  [[ -z $(ls /sys/class/infiniband 2>/dev/null) ]] || skip "this host has an RDMA device"
  fabric=auto target=out start_recv
  fabric=auto source=/dev/null start_send
  both_succeed 0
  [[ $(grep -c "using TCP" send.err) == 1 ]] || fail "not said once"
}

# rdma only: this host has none
test_auto_takes_rdma() {
  echo hello >in
  fabric=auto target=out start_recv
  fabric=auto source=in start_send -v
  both_succeed 6
  says send.err rdma
}

# Connects COUNT times, and says nothing.
let_strangers_in() {  # COUNT
  local stranger i
  if [[ $fabric == tcp ]]; then
    for ((i = 0; i < $1; i++)); do exec {stranger}<>"/dev/tcp/$host/$port"; done
  else
    start_strangers "$1" silent
  fi
}

# As long as the case runs, over RDMA.
start_strangers() {  # COUNT silent|garbage
  choose_attacker
  start "${attacker[@]}" strangers "$host" "$port" "$@" >attacker.out 2>attacker.err </dev/null
  await_line attacker.out "^$1 strangers are there$"
}

test_garbage_is_turned_away() {
  echo hello >in
  target=out start_recv
  if [[ $fabric == tcp ]]; then
    head -c 100000 /dev/urandom 2>/dev/null >"/dev/tcp/$host/$port" || true
    printf 'GET / HTTP/1.0\r\n\r\n' 2>/dev/null >"/dev/tcp/$host/$port" || true
  else
    start_strangers 2 garbage
  fi
  await_line recv.err "^rdrecv: turned away $host:[0-9]+: not rdpipe$"
  source=in start_send
  both_succeed 6
  same in out
}

test_silent_stranger_delays_nobody() {
  echo hello >in
  target=out start_recv
  let_strangers_in 1
  source=in start_send
  both_succeed 6
  ! grep "said nothing" recv.err || fail "the sender came in only after the stranger's 10 s"
  same in out
}

# Kilobytes of rdrecv: what /proc calls NAME, or the sum of several.
kilobytes_of() {  # NAME...
  awk -v names="$*" '
    BEGIN { split(names, list); for (i in list) wanted[list[i] ":"] }
    $1 in wanted { sum += $2 }
    END { print sum + 0 }' "/proc/$receiver/status"
}

test_two_hundred_strangers() {
  local kilobytes pinned of_one
  echo hello >in
  target=out start_recv
  let_strangers_in 1
  of_one=$(kilobytes_of VmPin)
  [[ $fabric == tcp ]] || ((of_one >= 40)) || fail "rdrecv pins $of_one kB for one stranger"
  let_strangers_in 199
  # Where 64 take more than 10 s to connect, none must make way.
  await_line recv.err "^rdrecv: turned away $host:[0-9]+: it (made way for newer connections|said nothing for 10 s)$"
  kilobytes=$(kilobytes_of RssAnon RssShmem)
  ((kilobytes < 40000)) || fail "rdrecv holds $kilobytes kB for strangers"
  # 64 that are connected and 64 that are not yet.
  pinned=$(kilobytes_of VmPin)
  ((pinned <= 128 * of_one)) || fail "rdrecv pins $pinned kB for strangers, $of_one kB for the first"
  source=in start_send
  both_succeed 6
  same in out
}

# rdma only: rping speaks RDMA
test_rdma_stranger_is_turned_away() {
  type -P rping >/dev/null || skip "rping is not installed"
  echo hello >in
  target=out start_recv
  timeout $((5 * scale)) rping -c -a "$host" -p "$port" -C 1 >rping.log 2>&1 || true
  source=in start_send
  both_succeed 6
  same in out
}
