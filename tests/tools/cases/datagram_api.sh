# shellcheck shell=bash
# Datagrams of the library as other programs use them.
# shellcheck disable=SC2154  # the runner's variables

# shellcheck source=tests/tools/memcached.bash
source "$cases/../memcached.bash"

# limit 180
# rdma only: datagrams are RDMA's
test_datagram_c_api() {
  timeout $((150 * scale)) "$bin/../tests/rdpipe/c_datagrams" "$host" || fail "c_datagrams: $?"
  echo 2600000 >>"$run/moved"
}

start_echo() {  # LANGUAGE
  : >echo.out
  start "$bin/../tests/tools/datagram_echo_$1" 0 >echo.out 2>echo.err </dev/null
  echo_pid=${started[-1]}
  await_line echo.out "listening on port"
  port=$(sed -n 's/^listening on port //p' echo.out)
}

# Sends to an echo, and sets `status`.
send_to() {  # LANGUAGE NAME
  status=0
  timeout $((30 * scale)) "$bin/../tests/tools/datagram_echo_$1" "$2" >client.out 2>client.err </dev/null || status=$?
}
came_back() {
  ((status == 0)) || fail "the client exited with $status: $(<client.err)"
  says client.out "^16 sent, 16 came back"
}

# rdma only: datagrams are RDMA's
test_datagram_examples() {
  local server client
  for server in c cpp; do
    start_echo "$server"
    for client in c cpp; do
      send_to "$client" "$host:$port/echo"
      came_back
    done
    send_to c "$host:$port/nobody"
    ((status == 1)) || fail "the client exited with $status"
    says client.err "find $host:$port/nobody over RDMA: the listener knows no such name"
    kill -KILL "$echo_pid"
    await_end "$echo_pid"
  done
}

# An echo that is killed leaves an entry, which is noticed.
# rdma only: datagrams are RDMA's
test_datagram_registry() {
  local here
  here=$(hostname)
  start_memcached
  start_echo c
  await_cached "$here:$port/echo"
  send_to cpp "$here:$port/echo"
  came_back
  # Renewed in time, though nobody sends anything: entries live 15 s.
  pause 20
  send_to c "$here:$port/echo"
  came_back
  kill -KILL "$echo_pid"
  await_end "$echo_pid"
  send_to c "$here:$port/echo"
  ((status == 1)) || fail "the client exited with $status"
  says client.err "a stale entry: $host:$port/echo says: Connection refused|it has no such name"
}

# tcp only: this host has RDMA
test_datagram_without_device() {
  [[ -z $(ls /sys/class/infiniband 2>/dev/null) ]] || skip "this host has an RDMA device"
  "$bin/../tests/rdpipe/c_datagrams" || fail "c_datagrams: $?"
  local language
  for language in c cpp; do
    send_to "$language" "$host:7471/echo"
    ((status == 1)) || fail "the client exited with $status"
    says client.err "choose an RDMA device for datagrams: this host has no RDMA device"
  done
}
