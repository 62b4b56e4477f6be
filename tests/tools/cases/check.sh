# shellcheck shell=bash
# rdping --check: what it finds on this host, on the way to another, and at its port.

# rdping --check with ARGUMENTs exits with STATUS; what it prints is in check.out. (libibverbs has a warning of its own for
# little memory that may be locked.)
checks() {  # STATUS [ARGUMENT...]
  local status=0
  timeout "$((30 * scale))" "${wrap[@]}" "$bin/rdping" --check "${@:2}" >check.out 2>check.err </dev/null || status=$?
  [[ $status == "$1" && $(<check.err) != *rdping:* ]] || { show check.out check.err; fail "rdping --check ${*:2}: $status, not $1"; }
}

# A line of check.out begins with VERDICT and CHECK and matches REGEX; what is not ok has a remedy below it.
finds() {  # ok|warn|fail CHECK REGEX
  local line
  line=$(grep -nE "^$1 +$2[ :]" check.out | grep -iE -- "$3") || { show check.out; fail "no line '$1 $2' that matches: $3"; }
  [[ $1 == ok ]] || sed -n "$((${line%%:*} + 1))p" check.out | grep -q '^      remedy: .' || fail "no remedy for $2"
}
concludes() { tail -n 1 check.out | grep -qF -- "$1" || { show check.out; fail "it does not conclude: $1"; }; }  # TEXT

without_device() { [[ -z $(ls /sys/class/infiniband 2>/dev/null) ]] || skip "this host has an RDMA device"; }

# What a host without RDMA exits with, whatever else there is to say.
nothing_else_wrong() { [[ $fabric == rdma ]] && echo 0 || echo 3; }

# tcp only: over RDMA there is a device
test_check_of_a_host_without_a_device() {
  without_device
  checks 3
  finds fail device 'this host has no RDMA device'
  says check.out 'remedy: .*modprobe rdma_rxe'
  concludes 'RDMA: no; TCP only'
  checks 3 localhost
  concludes 'RDMA: no; TCP only, perhaps, to localhost'
}

# tcp only: over RDMA there is a device
test_check_of_a_host_without_a_device_and_its_listener() {
  without_device
  start_recv
  checks 3 "$host:$port"
  finds ok name "$host"
  finds ok route 'over interface lo from 127\.0\.0\.1'
  finds fail rdma 'not asked: this host has no RDMA device'
  finds ok tcp 'an rdpipe answers'
  concludes "TCP only, to $host:$port"
}

# rdma only: the device is what it is about
test_check_of_a_good_host() {
  checks 0
  finds ok device '/dev/infiniband/uverbs[0-9]+'
  finds ok port 'ACTIVE, Ethernet.*RDMA MTU 4096'
  finds ok gids "of RoCE v2 .*\($host\)"
  finds ok rdma_cm 'can be opened'
  finds ok memlock 'pins 5'
  finds ok io_uring allowed
  concludes 'RDMA: yes'
  checks 0 "$host"
  finds ok route "by device rxe[0-9]+ from $host"
  finds ok rdma "the host's RDMA answers"
  says check.out 'UDP port 4791'
  concludes "RDMA: yes, to $host by rxe"
}

# Who asks is a stranger that leaves: the listener waits for its sender.
test_check_of_a_listener_leaves_it_to_its_sender() {
  echo hello >in
  target=out start_recv
  checks "$(nothing_else_wrong)" "$host:$port"
  if [[ $fabric == rdma ]]; then
    finds ok rdma 'an rdpipe answers'
    concludes "RDMA: yes, to $host:$port by rxe"
  else
    finds ok tcp 'an rdpipe answers'
  fi
  source=in start_send
  both_succeed 6
  same in out
}

test_check_where_nobody_listens() {
  choose_port
  if [[ $fabric == rdma ]]; then
    checks 35 "$host:$port"
    finds fail rdma "the host's RDMA answers, but nobody listens there"
    says check.out "remedy: start it there: rdrecv $port"
  else
    checks "$([[ -z $(ls /sys/class/infiniband 2>/dev/null) ]] && echo 3 || echo 35)" "$host:$port"
  fi
  finds fail tcp 'nobody listens there'
  concludes 'RDMA: no, and TCP: no'
}

# rdma only: over TCP nothing else is expected
test_check_of_a_listener_that_is_not_on_rdma() {
  fabric=tcp start_recv
  checks 35 "$host:$port"
  finds fail rdma 'this listener is not on it'
  finds ok tcp 'an rdpipe answers'
  concludes "RDMA: no; TCP only, to $host:$port"
}

# rdma only: without a device no way is looked for
test_check_of_an_address_without_a_device() {
  checks 3 127.0.0.1
  finds fail route 'interface lo'
  says check.out 'remedy: name an address of the host that is reached over '
}

# limit 120
test_check_with_a_small_memlock() {
  become_nobody prlimit --memlock=16384:16384
  checks "$([[ $fabric == rdma ]] && echo 22 || echo 3)"
  finds fail memlock 'the limit is 16 KiB; .* pins 5'
  says check.out 'remedy: .*ulimit -l unlimited'
  wrap=()
  become_nobody prlimit --memlock=1048576:1048576
  checks "$(nothing_else_wrong)"
  finds warn memlock 'the limit is 1 MiB; .*smaller'
  wrap=()
  become_nobody prlimit --memlock=8388608:8388608
  checks "$(nothing_else_wrong)"
  finds ok memlock 'the limit is 8 MiB'
}

test_check_without_io_uring() {
  type -P python3 >/dev/null || skip "python3 is not installed"
  wrap=(python3 "$cases/../without-io-uring")
  "${wrap[@]}" true || skip "this kernel takes no seccomp filter"
  checks "$(nothing_else_wrong)"
  finds warn io_uring 'not allowed: a seccomp filter'
}

# limit 120
# rdma only: the device is what it is about
test_check_of_a_device_that_is_down() {
  [[ -n ${RDPIPE_GUEST-} ]] || skip "makes a device of its own, in a guest"
  ip link add c0 mtu 9000 type veth peer name c1 mtu 9000
  undo+=("ip link delete c0")
  ip address add 10.78.0.1/24 dev c0
  ip link set c1 up
  ip link set c0 up
  rdma link add rxe1 type rxe netdev c0
  undo=("rdma link delete rxe1" "${undo[@]}")
  checks 0 -d rxe1
  finds ok port 'rxe1/1: ACTIVE'
  ip link set dev c0 down
  checks 3 -d rxe1
  finds fail port 'rxe1/1: DOWN'
  says check.out 'remedy: ip link set dev c0 up'
  concludes 'RDMA: no'
  # Beside one that is up it is no failure.
  checks 0
  finds warn port 'rxe1/1: DOWN'
  finds ok port 'rxe0/1: ACTIVE'
}

# rdma only: the device is what it is about
test_check_of_nodes_that_are_not_for_this_user() {
  may_mount || skip "may not mount here"
  become_nobody
  mkdir own
  mount -t tmpfs -o mode=755 own own  # for modes that others do not see
  undo+=("umount -l own")
  cp -a /dev/infiniband/. own
  chmod 600 own/*
  mount --bind own /dev/infiniband
  undo=("umount -l /dev/infiniband" "${undo[@]}")
  checks 3
  finds fail device '/dev/infiniband/uverbs0 may not be opened by this user'
  finds fail rdma_cm 'may not be opened by this user'
  says check.out 'remedy: chmod 666 /dev/infiniband/rdma_cm'
}

# rdma only: the device is what it is about
test_check_of_a_container_without_nodes() {
  may_mount || skip "may not mount here"
  mount -t tmpfs none /dev/infiniband
  undo+=("umount -l /dev/infiniband")
  checks 3
  finds fail device '/dev/infiniband/uverbs0: No such file'
  finds fail rdma_cm 'No such file'
  says check.out 'remedy: .*--device=/dev/infiniband/rdma_cm'
}

test_check_as_json() {
  type -P jq >/dev/null || skip "jq is not installed"
  start_recv
  checks "$(nothing_else_wrong)" --json "$host:$port"
  cp check.out check.json
  checks "$(nothing_else_wrong)" "$host:$port"
  (($(wc -l <check.json) == 1)) || fail "not one line"
  local fields='.host, .port, .exit_status, (.findings | length), .rdma, .summary'
  jq -r "$fields" check.json >found
  printf '%s\n' "$host" "$port" "$(nothing_else_wrong)" "$(grep -cE '^(ok|warn|fail) ' check.out)" \
    "$([[ $fabric == rdma ]] && echo true || echo false)" "$(tail -n 1 check.out)" >expected
  diff expected found || fail "JSON and lines differ"
  jq -e 'all(.findings[]; (.verdict == "ok") == (.remedy == null))' check.json >/dev/null || fail "remedies"
  [[ $fabric != rdma ]] ||
    jq -e --arg host "$host" '.devices[0].ports[0] | .state == "ACTIVE" and any(.gids[]; .address == $host)' check.json \
      >/dev/null || fail "no device in JSON"
}

test_check_of_a_name_that_nobody_knows() {
  local status=0
  "$bin/rdping" --check no-such-host.invalid >check.out || status=$?
  ((status == 3 || status == 10)) || fail "status $status"  # 10: the name service does not answer
  finds fail name .
  concludes 'RDMA: no, and TCP: no'
}

# The name service is waited for as long as it was told, and a signal ends that, too.
test_check_with_a_name_service_that_is_silent() {
  may_mount || skip "may not mount here"
  type -P python3 >/dev/null || skip "python3 is not installed"
  start python3 -c 'import socket
service = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
service.bind(("127.0.0.1", 53))
print("bound", flush=True)
while True: service.recv(512)' >service.out 2>&1 </dev/null
  await_line service.out .
  grep -q bound service.out || skip "$(tail -n 1 service.out)"
  printf 'nameserver 127.0.0.1\noptions timeout:30 attempts:1\n' >resolv.conf
  echo 'hosts: files dns' >nsswitch.conf
  local file
  for file in resolv.conf nsswitch.conf; do
    mount --bind "$file" "/etc/$file" || skip "cannot choose the name service here"
    undo+=("umount -l /etc/$file")
  done
  local began=$SECONDS
  checks "$([[ $fabric == rdma ]] && echo 35 || echo 3)" --connect-timeout 0.5 slow.example
  finds fail name 'the name service does not answer'
  ((SECONDS - began < 10 * scale)) || fail "it took $((SECONDS - began)) s"
  start "$bin/rdping" --check --connect-timeout 1000 slow.example >check.out 2>check.err </dev/null
  local checker=$!
  pause 1
  kill -INT "$checker"
  await_end "$checker" 8
  ((status == 20)) || { show check.out check.err; fail "status $status, not 20"; }
}

test_check_is_asked_wrongly() {
  local word status
  for word in '' ':4711' 'db2:' '[::1' '[::1]4711' 'localhost:70000' 'localhost:no-such-service'; do
    status=0
    "$bin/rdping" --check "$word" >check.out 2>check.err || status=$?
    ((status == 1)) || fail "'$word': status $status, not 1"
    (($(grep -c '^rdping: error: ' check.err) == 1)) || fail "'$word': not one error line"
  done
  status=0
  "$bin/rdping" 2>check.err || status=$?
  ((status == 1)) || fail "no --check: $status"
}

# What is on the way to nobody: an address for documentation, behind whatever this host has for a default route.
test_check_of_a_host_that_is_silent() {
  checks 3 --connect-timeout 1 192.0.2.1:4711
  says check.out '^fail  (tcp|route)'
  concludes 'RDMA: no, and TCP: no'
}
