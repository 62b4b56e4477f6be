# shellcheck shell=bash
# shellcheck disable=SC2119  # stop_server without arguments
# A server whose descriptors or memory have run out: whom it cannot serve it refuses, and it goes on with the others.
# shellcheck disable=SC2154  # lib.sh's variables
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/serve.bash
source "$cases/../serve.bash"

# Leaves the server COUNT more descriptors than it has; without COUNT as many as it likes.
spare_descriptors() {  # [COUNT]
  local number=0 left=${1-}
  [[ -n $left ]] || { prlimit --pid "$server" --nofile=1024:; return; }
  for ((number = 0; ; number++)); do
    [[ ! -e /proc/$server/fd/$number ]] || continue
    ((left-- > 0)) || break
  done
  prlimit --pid "$server" --nofile="$number:"
}

ticks() {  # of CPU time that the server has used
  awk '{ print $14 + $15 }' "/proc/$server/stat"
}

# limit 120
# tcp only: how many descriptors a connection takes is the device's affair over RDMA
test_serve_without_descriptors() {
  make_keys det1
  echo data >a
  start_server
  local idle before
  idle=$(open_descriptors "$server")
  as_client det1
  copies 0 a "$host::first"
  await_descriptors "$idle"
  # None for a connection: it waits, and the server does not spin.
  spare_descriptors 0
  before=$(ticks)
  start_client late det1 a "$host::late"
  pause 1
  runs "$client" || { show late.err; fail "it was not left to wait"; }
  (($(ticks) - before < 30)) || fail "$(($(ticks) - before)) ticks of CPU in 1 s"
  spare_descriptors
  ends_with "$client" 0
  holds served/late data
  # One for a connection, and none for the directory of its key.
  await_descriptors "$idle"
  spare_descriptors 1
  copies 22 a "$host::second"
  says copy.err "directory of key 'det1'.*Too many open files"
  # And more, until there are enough: each is told, and none takes anybody with it.
  local count=2 status=1
  while ((status != 0)); do
    await_descriptors "$idle"
    spare_descriptors "$count"
    status=0
    timeout $((40 * scale)) "${copy[@]}" a "$host::third" >copy.out 2>copy.err || status=$?
    runs "$server" || { show serve.err; fail "the server has ended, with $count descriptors to spare"; }
    ((status == 0)) || says copy.err 'error: .*(Too many open files|descriptors)'
    ((count++ < 100)) || { show copy.err; fail "100 descriptors are too few"; }
  done
  ((count > 3)) || fail "three descriptors were enough"
  holds served/third data
  spare_descriptors
  copies 0 a "$host::fourth"
  stop_server
}

# tcp only: what is asked for is read in the same way over RDMA
test_serve_order_that_memory_is_too_short_for() {
  make_keys det1 det2
  echo data >a
  mkdir served
  echo there >served/xx
  wrap=(env MALLOC_ARENA_MAX=1)  # others have address space in stock, which the limit would count
  start_server
  as_client det1
  copies 0 a "$host::first"  # what a client costs once is there
  local size
  size=$(awk '/^VmSize:/ {print $2}' "/proc/$server/status")
  prlimit --pid "$server" --as=$(((size + 12288) * 1024)):
  printf 'xx\n%.0s' {1..120000} >list
  copies 22 --files-from=list "$host::" taken
  says copy.err 'out of memory'
  as_client det2
  copies 0 a "$host::second"
  holds served/second data
  prlimit --pid "$server" --as=unlimited:
  copies 0 --files-from=list "$host::" taken
  holds taken/xx there
  stop_server
}
