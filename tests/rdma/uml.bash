# shellcheck shell=bash
# Guests of User-Mode Linux, for guests.bash: a kernel of our own that is a process of this machine and runs programs
# natively, on one cpu. It runs in a pid namespace, so that all its processes go with it.
# shellcheck disable=SC2154,SC2004  # the variables of guests.bash

# As root of a user namespace for want of the real one.
enclosure=(unshare --pid --fork --kill-child)
((EUID == 0)) || enclosure+=(--user --map-root-user)

find_kernel() {
  # The kernel does not keep the registers that these have.
  ! grep -qw amx_tile /proc/cpuinfo || skip "User-Mode Linux does not know this processor"
  "${enclosure[@]}" true 2>/dev/null || skip "this user may have no namespace"
  kernel=$("$here/build-kernel") || exit "$?"
}

prepare_job() { sed '/^$/q' /proc/cpuinfo >"$work/job/cpuinfo"; }

# The memory of a guest is a file, of which it runs programs; on a disk, it would be written there all the time.
memory_directory() {
  local directory
  for directory in /dev/shm /tmp "$work"; do
    [[ -w $directory && ,$(findmnt -n -o OPTIONS -T "$directory"), != *,noexec,* ]] || continue
    (($(df --output=avail -m "$directory" | tail -n 1) > memory)) || continue
    echo "$directory"
    return
  done
  skip "no directory has $memory MiB for the memory of a guest"
}

# Sets cpu to one that no other guest has, if there is one; the lock is the guest's and goes with it. A guest that moves from
# cpu to cpu is three times slower.
choose_cpu() {
  local allowed range
  IFS=, read -r -a allowed < <(sed -n 's/^Cpus_allowed_list:\s*//p' /proc/self/status)
  for range in "${allowed[@]}"; do
    for ((cpu = ${range%-*}; cpu <= ${range#*-}; cpu++)); do
      exec {cpu_lock}>>"${kernel%/*/*}/cpu.$cpu"
      ! flock -n "$cpu_lock" || return 0
      exec {cpu_lock}>&-
    done
  done
  cpu=${allowed[0]%-*}
  exec {cpu_lock}</dev/null
}

# Further arguments are the kernel's.
boot() {  # HOST [ARGUMENT...]
  local host=$1 cpu cpu_lock directory
  shift
  directory=$(memory_directory) || exit "$?"
  choose_cpu
  local line=(mem="${memory}M" uml_dir="$work" umid="uml.$host" root=host rootfstype=hostfs rootflags=/ ro
    con=null noreboot loglevel=5 panic=-1 init="$here/guest/boot-uml"
    rdpipe.host="$host" rdpipe.job="$work/job")
  [[ -z $out ]] || line+=(rdpipe.out="$out")
  [[ -z $disk ]] || line+=(ubd0="$disk")
  # In a session of its own: a kernel that panics ends its process group.
  local command=(setsid setpriv --pdeathsig KILL taskset -c "$cpu" "${enclosure[@]}"
    env -i TMPDIR="$directory" "$kernel" "${line[@]}" "$@")
  if [[ $shell == yes ]]; then
    "${command[@]}" con0=fd:0,fd:1 stderr=1 2>"$work/console.$host" </dev/stdin &
  else
    "${command[@]}" con0=null,fd:1 </dev/null >"$work/console.$host" 2>&1 &
  fi
  guest[$host]=$!
  exec {cpu_lock}>&-
}

# The command becomes one that has a cable; its ends stay open here, also when a guest goes.
make_cable() {  # ARG...
  [[ -n ${cable-} ]] || exec "$here/cable" "$0" "$@"
}

boot_joined() {  # HOST OTHER NUMBER
  local ends
  read -r -a ends <<<"$cable"
  boot "$1" "vec0:transport=fd,fd=${ends[$3 - 1]},mtu=9000,mac=52:54:00:77:00:0$3"
}

# The kernel is the one child of what made its namespace.
signal_guest() {  # SIGNAL HOST
  pkill "-$1" -P "${guest[$2]}" || { [[ $1 == KILL ]] && kill -KILL "${guest[$2]}"; }
}
