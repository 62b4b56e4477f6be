# shellcheck shell=bash
# shellcheck disable=SC2154  # the variables of lib.sh
# rdping and rdping --serve, with names from SIDR and from a registry.

# shellcheck source=tests/tools/memcached.bash
source "$cases/../memcached.bash"

server=

start_server() {  # [OPTION...]
  : >server.err
  start "${wrap[@]}" "$bin/rdping" --serve -p 0 "$@" >server.out 2>server.err </dev/null
  server=$!
  await_line server.err "listening on port [0-9]+"
  port=$(sed -n 's/.*listening on port \([0-9]*\).*/\1/p' server.err)
}
server_ends() {
  kill -TERM "$server"
  await_end "$server"
  ((status == 0)) || fail "rdping --serve exited with $status: $(<server.err)"
}

# Runs rdping, and sets `status`.
ping() {  # ARGUMENT...
  status=0
  timeout $((40 * scale)) "$bin/rdping" "$@" >ping.out 2>ping.err </dev/null || status=$?
}
ping_exits() {  # STATUS
  ((status == $1)) || { show ping.out ping.err server.err; fail "rdping exited with $status, not with $1"; }
}

# rdma only: datagrams are RDMA's
test_rdping_echo() {
  start_server
  ping -c 5 -i 0.1 "$host:$port"
  ping_exits 0
  says ping.out "^64 bytes from $host: seq=5 time=[0-9.]+ ms"
  says ping.out "^5 sent, 5 answered, 0% lost"
  says ping.out "^round trip min/median/p99/max = [0-9.]+/[0-9.]+/[0-9.]+/[0-9.]+ ms"
  ping -q -c 20 -i 0 -s 4096 "$host:$port/0"
  ping_exits 0
  says ping.out "^20 sent, 20 answered"
  echo 82000 >>"$run/moved"
  ping -c 1 "$host:$port/no-such"
  ping_exits 0
  says ping.err "the listener knows no such name: these are the times of refused requests"
  ping -c 1 -s 5000 "$host:$port"
  ping_exits 1
  says ping.err "a packet there holds 4096 bytes"
  ping -c 1 "$host:$port/"$'a\eb'
  ping_exits 0
  says ping.out "^--- $host:$port/a\\?b ---"
  server_ends
  says server.out "^total: 25 answered"
}

# rdma only: datagrams are RDMA's
test_rdping_ipv6() {
  [[ -n $host6 ]] || skip "no IPv6 address known for the device"
  start_server
  ping -c 3 -i 0 "[$host6]:$port"
  ping_exits 0
  server_ends
}

# rdma only: datagrams are RDMA's
test_rdping_without_server() {
  choose_port
  ping -c 3 -i 0.1 "$host:$port"
  ping_exits 0
  says ping.err "no rdping --serve there: these are the times of refused requests"
  says ping.out "^refused by $host: seq=3 time=[0-9.]+ ms"
  says ping.out "^3 sent, 3 answered"
}

# rdma only: datagrams are RDMA's
test_rdping_server_that_dies() {
  start_server
  "$bin/rdping" -c 8 -i 0.5 "$host:$port" >ping.out 2>ping.err &
  local client=$!
  started+=("$client")
  await_line ping.out "seq=2 "
  kill -KILL "$server"
  await_end "$client" 30
  ((status == 0)) || fail "rdping exited with $status"
  says ping.out "^8 sent, [2-7] answered"
}

# rdma only: datagrams are RDMA's
test_rdping_interrupted() {
  start_server
  start "$bin/rdping" -i 0.2 "$host:$port" >ping.out 2>ping.err
  local client=$!
  await_line ping.out "seq=2 "
  kill -INT "$client"
  await_end "$client"
  ((status == 0)) || fail "rdping exited with $status"
  says ping.out "^round trip min"
}

# It never sleeps, and ends all the same.
# rdma only: datagrams are RDMA's
test_rdping_interrupted_while_it_looks() {
  start_server
  start "$bin/rdping" -i 0 --busy-poll 100000 "$host:$port" >ping.out 2>ping.err
  local client=$!
  await_line ping.out "seq=2 "
  kill -INT "$client"
  await_end "$client"
  ((status == 0)) || fail "rdping exited with $status"
  says ping.out "^round trip min"
}

# rdma only: datagrams are RDMA's
test_rdping_quiet_server() {
  start_server -q -t 2
  ping -q -c 3 -i 0 "$host:$port"
  ping_exits 0
  server_ends
  (($(wc -l <server.out) == 1)) || fail "more than the summary: $(<server.out)"
  says server.out "^total: 3 answered"
}

# An address that nobody has: it does not answer, whatever the interval, and keeps no other host waiting.
# limit 120
# rdma only: datagrams are RDMA's
test_rdping_host_that_is_down() {
  [[ -n ${RDPIPE_GUEST-} ]] || skip "knows an address of nobody only in a guest"
  local down=10.77.0.99
  ping -c 2 -i 1 "$down"
  ping_exits 30
  says ping.out "^2 sent, 0 answered"
  ping -c 1 -i 5 "$down"
  ping_exits 30
  says ping.out "^1 sent, 0 answered"
  start_server
  ping --flood -w 1 "$down" "$host:$port"
  ping_exits 0
  says ping.err "warning: find $down over RDMA: no answer"
  ping --flood -w 1 --connect-timeout 1 "$down"
  ping_exits 35
  start "$bin/rdping" --flood --connect-timeout 1000 "$down" >ping.out 2>ping.err
  local client=$!
  pause 2
  kill -INT "$client"
  await_end "$client" 8
  ((status == 20)) || fail "rdping exited with $status"
}

# limit 120
# rdma only: datagrams are RDMA's
test_rdping_flood() {
  start_server -t 2
  ping --flood -t 3 -w 3 "$host:$port"
  ping_exits 0
  (($(grep -c '^thread [012]: [0-9]* messages/s' ping.out) == 3)) || fail "not three threads: $(<ping.out)"
  says ping.out "^total: [1-9][0-9]* messages/s, [0-9]+ sent, [0-9]+ answered, [0-9]+ lost .*million messages/s"
  server_ends
  (($(grep -cE '^thread [01]: [1-9][0-9]* answered' server.out) == 2)) || fail "a thread got nothing: $(<server.out)"
  echo 64000 >>"$run/moved"
}

# rdma only: datagrams are RDMA's
test_rdping_flood_with_a_host_that_is_not_there() {
  start_server
  local here=$port
  choose_port
  ping --flood -w 1 "$host:$port" "$host:$here"
  ping_exits 0
  says ping.err "warning: find $host:$port over RDMA: Connection refused"
  ping --flood -w 1 "$host:$port"
  ping_exits 3
  ping --flood -w 1 -s 5000 "$host:$here"
  ping_exits 1
  says ping.err "warning: option --size: $host:$here takes 4096 bytes"
}

# rdma only: datagrams are RDMA's
test_rdping_flood_interrupted() {
  start_server
  start "$bin/rdping" --flood -w 0 -t 2 "$host:$port" >ping.out 2>ping.err
  local client=$!
  pause $((2 * scale))
  kill -INT "$client"
  await_end "$client"
  ((status == 0)) || fail "rdping exited with $status"
  says ping.out "^total: [1-9]"
}

# rdma only: datagrams are RDMA's
test_rdping_as_nobody_with_little_memory() {
  become_nobody prlimit --memlock=2097152
  start_server -t 2
  ping -q -c 10 -i 0 "$host:$port"
  ping_exits 0
  server_ends
}

# rdma only: datagrams are RDMA's
test_rdping_registry() {
  start_memcached
  start_server --name alpha -t 2
  await_cached "alpha:$port/1"
  ping -c 3 -i 0 "alpha:$port"
  ping_exits 0
  says ping.out "^3 sent, 3 answered"
  ping -c 3 -i 0 "alpha:$port/1"
  ping_exits 0
  ping --flood -t 2 -w 1 "alpha:$port"
  ping_exits 0
  put_entry damaged:7471/0 "[::1" "$far_off"
  ping --flood -w 1 damaged "alpha:$port"
  ping_exits 0
  says ping.err "warning: .*the bracket is not closed"
  ping -c 1 "beta:$port"
  ping_exits 3
  says ping.err "it has no such name"
  server_ends
  ping -c 1 "alpha:$port"
  ping_exits 3
  says ping.err "it has no such name"
}

# Puts an entry there: magic, version, length of WHERE, expiry, queue pair and key 0, WHERE.
put_entry() {  # NAME WHERE EXPIRY (eight bytes, as printf has them)
  {
    printf 'set rdpipe:%s 0 0 %d\r\n' "$1" $((24 + ${#2}))
    # shellcheck disable=SC2059  # escapes are what it is for
    printf "RDPD\\0\\1\\0\\$(printf %o ${#2})$3\\0\\0\\0\\0\\0\\0\\0\\0"
    printf '%s\r\nquit\r\n' "$2"
  } >"/dev/tcp/127.0.0.1/$cache"
  await_cached "$1"
}
long_ago='\0\0\0\0\0\0\0\1' far_off='\0\0\0\1\0\0\0\0'

# rdma only: datagrams are RDMA's
test_rdping_stale_entries() {
  start_memcached
  put_entry old:7471/0 "$host:7471/0" "$long_ago"
  ping -c 1 old
  ping_exits 3
  says ping.err "a stale entry: it expired [0-9]+ s ago"
  RDPIPE_REGISTRY='' start_server
  put_entry "alpha:$port/0" "$host:$port/0" "$far_off"
  ping -c 1 "alpha:$port"
  ping_exits 3
  says ping.err "a stale entry: $host:$port/0 has another endpoint of this name now"
  server_ends
  ping -c 1 "alpha:$port"
  ping_exits 3
  says ping.err "a stale entry: $host:$port/0 says: Connection refused"
}

# What a server that was killed has left there goes by itself, or is noticed.
# rdma only: datagrams are RDMA's
test_rdping_killed_server_in_registry() {
  start_memcached
  start_server --name alpha
  await_cached "alpha:$port/0"
  kill -KILL "$server"
  await_end "$server"
  ping -c 1 "alpha:$port"
  ping_exits 3
  says ping.err "a stale entry: $host:$port/0 says: Connection refused|it has no such name"
}

# rdma only: datagrams are RDMA's
test_rdping_registry_that_does_not_answer() {
  [[ -e $bin/../lib/rdpipe/librdpipe-memcached.so ]] || skip "built without libmemcached"
  choose_port
  export RDPIPE_REGISTRY=memcached://127.0.0.1:$port
  ping -c 1 alpha
  ping_exits 10
  says ping.err "look up 'alpha:7471/0' at memcached"
}

test_rdping_usage() {
  ping
  ping_exits 1
  ping -c 0 a
  ping_exits 1
  says ping.err "option --count: '0' is not a number from 1"
  ping -p 7000 a
  ping_exits 1
  says ping.err "^rdping: error: --port is for --serve"
  RDPIPE_REGISTRY=somewhere ping -c 1 a
  ping_exits 1
  says ping.err "not memcached://HOST"
  RDPIPE_REGISTRY=somewhere ping --flood a
  ping_exits 1
  says ping.err "^rdping: error: .*not memcached://HOST"
}

# tcp only: this host has RDMA
test_rdping_without_device() {
  [[ -z $(ls /sys/class/infiniband 2>/dev/null) ]] || skip "this host has an RDMA device"
  ping -c 1 127.0.0.1
  ping_exits 3
  says ping.err "no RDMA device"
  ping --serve
  ping_exits 3
  says ping.err "no RDMA device"
}
