# shellcheck shell=bash
# Boots guests under QEMU, runs a script in each and brings back its output and exit status: what on-one-host and
# on-two-hosts have in common. The order of calls is parse_option for each option, find_kernel, make_job, write_job for each
# guest, boot or boot_joined and follow for each guest, await_guests, verdict for each guest. Everything started here is
# ended, and the temporary directory removed, however the harness ends; should it be killed outright, the guests die with it.
#
# The kernel is Debian's own, with as many cpus as asked for. Emulation is the default even where there is a /dev/kvm: a nested
# one may be there and hang. RDPIPE_GUEST_ACCEL=kvm asks for it.
#
# Exit statuses of the harness's own: 77 this machine cannot run guests, 124 time is up, 125 a guest or the
# harness has failed.

# shellcheck disable=SC2034  # for the two commands
program=${0##*/}
here=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)

# Options, with the defaults that both commands share.
timeout=600
out=
scratch=
console=
disk=
shell=no
may_crash=()
host_names=()
environment=()

tsc_khz=             # the frequency of the time stamp counter
work=                # the temporary directory; work/job is what the guests see of it
declare -A guest=()  # host name -> pid of what ends with it
followers=()         # pids of what carries output to the caller

refuse() {
  echo "$program: $*" >&2
  exit 125
}

skip() {
  echo "$program: skip: $*" >&2
  exit 77
}

# Sets the option that OPTION [VALUE] give; option_words is the number of words used, 0 if this is no option.
parse_option() {
  option_words=2
  case $1 in
    --timeout | --cpus | --memory | --scratch | --disk | --out | --console | --env | --may-crash)
      (($# > 1)) || refuse "$1 needs a value" ;;&
    --timeout) timeout=$2 ;;
    --cpus) cpus=$2 ;;
    --memory) memory=$2 ;;
    --scratch) scratch=$2 ;;
    --disk) disk=$(realpath -e -- "$2") || refuse "no disk file $2" ;;
    --out)
      mkdir -p -- "$2" || refuse "cannot make the directory $2"
      out=$(realpath -- "$2") ;;
    --console) console=$2 ;;
    --env) environment+=("$2") ;;
    --may-crash) may_crash+=("$2") ;;
    --shell) shell=yes option_words=1 ;;
    --) option_words=1 ;;
    -*) refuse "no option $1 (see the top of this file)" ;;
    *) option_words=0 ;;
  esac
}

check_numbers() {
  local value
  for value in "$timeout" "$cpus" "$memory"; do
    [[ $value =~ ^[1-9][0-9]*$ ]] || refuse "not a number: $value"
  done
}

# The absolute path of SCRIPT, which must be a file that can be executed; a bare name is looked up in PATH.
script_path() {
  local file=$1
  [[ $file == */* || -f $file ]] || file=$(type -P -- "$file") || refuse "no script $1"
  file=$(realpath -e -- "$file") || refuse "no script $1"
  [[ -f $file && -x $file ]] || refuse "$1 is not executable"
  echo "$file"
}

stop_everything() {
  trap - EXIT
  trap '' HUP INT TERM
  exec 2>/dev/null  # bash would report each process ended here
  local host pid
  for host in "${!guest[@]}"; do
    stop_guest "$host"
  done
  for pid in "${followers[@]}"; do
    kill -KILL "$pid" 2>/dev/null || true
  done
  wait
  [[ -z $work ]] || rm -rf "$work"
}

find_kernel() {
  local tool
  for tool in qemu-system-x86_64 c++; do
    type -P "$tool" >/dev/null || skip "$tool is not installed"
  done
  local paths
  paths=$("$here/fetch-kernel") || exit "$?"
  mapfile -t paths <<<"$paths"
  kernel=${paths[0]} initramfs=${paths[1]} modules=${paths[2]}
}

make_job() {
  trap stop_everything EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  work=$(mktemp -d)
  # The name of a Unix socket must stay under 108 bytes.
  ((${#work} < 80)) || { rmdir "$work"; work=$(mktemp -d -p /tmp); }
  mkdir -p "$work/job/meeting" "$work/job/orders"
  mkfifo "$work/clock"
  exec {clock}<>"$work/clock"
  c++ -O1 -o "$work/tsc-khz" "$here/tsc-khz.cc" || skip "c++ cannot make tsc-khz"
  tsc_khz=$("$work/tsc-khz") || skip "$work takes no programs"
  echo "$here/guest" >"$work/job/guest"
  realpath "$modules" >"$work/job/modules"
  printf '%s\n' "127.0.0.1 localhost" "::1 localhost" "${host_names[@]}" >"$work/job/hosts"
  [[ -z $out ]] || : >"$work/job/out"
  if [[ -n $scratch ]]; then
    disk=$work/scratch
    truncate -s "$scratch" "$disk" || refuse "not a size: $scratch"
  fi
  [[ -z $disk ]] || : >"$work/job/scratch"
}

passed_environment() {
  local name
  for name in $(compgen -e); do
    case $name in
      RDPIPE_CACHE | RDPIPE_OUT | RDPIPE_GUEST) ;;
      RDPIPE_* | LANG | LC_* | TZ | TERM | ?SAN_OPTIONS | UBSAN_OPTIONS)
        printf '%s=%s\0' "$name" "${!name}" ;;
      *) [[ " ${environment[*]} " != *" $name "* ]] || printf '%s=%s\0' "$name" "${!name}" ;;
    esac
  done
}

# The entries of /tmp that the text of FILES names.
named_in_tmp() {  # FILE...
  { cat "$@" | tr '\0' '\n' | grep -oE '(^|[^[:alnum:]_./-])/tmp/[^/:=, ]+' || true; } |
    sed 's|.*/tmp/||' | sort -u
}

write_job() {  # HOST SCRIPT [ARG...]
  local host=$1
  shift
  printf '%s\0' "$@" >"$work/job/$host.argv"
  [[ $shell == no ]] || : >"$work/job/$host.shell"
  pwd -P >"$work/job/$host.cwd"
  passed_environment >"$work/job/$host.env"
  named_in_tmp "$work/job/guest" "$work/job/$host".{argv,env,cwd} >"$work/job/$host.tmp"
  : >"$work/job/$host.out"
  : >"$work/job/$host.err"
}

# Further arguments are QEMU's. A shell talks over the second serial port.
boot() {  # HOST [QEMU-ARGUMENT...]
  local host=$1
  shift
  # The clock is the TSC: reading it takes 0.2 us, reading the HPET 3. Its frequency is told: what the kernel measures
  # at boot on a busy machine was once wrong by a factor of twenty.
  # Where a processor has fast `rep movsb`, the kernel and libc copy a byte at a time with it; emulation runs that
  # at 56 MB/s, and the words that are copied otherwise at 105. RDMA goes half as fast again without.
  local time="clocksource=tsc tsc=reliable tsc_early_khz=$tsc_khz no_timer_check"
  local line="console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off swiotlb=noforce $time"
  local command=(qemu-system-x86_64 -no-user-config -nodefaults -no-reboot -display none -monitor none
    -accel "${RDPIPE_GUEST_ACCEL:-tcg,thread=multi}" -cpu "max,-erms,-fsrm" -smp "$cpus" -m "$memory"
    -kernel "$kernel" -initrd "$initramfs" -append "$line rdpipe.host=$host"
    -serial "file:$work/console.$host"
    -virtfs "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
    -virtfs "local,path=$work/job,mount_tag=job,security_model=none")
  [[ -z $out ]] || command+=(-virtfs "local,path=$out,mount_tag=out,security_model=none,multidevs=remap")
  [[ -z $disk ]] || command+=(-drive "file=$disk,format=raw,if=virtio,cache=unsafe")
  if [[ $shell == yes ]]; then
    command+=(-chardev 'stdio,id=tty,signal=off' -serial chardev:tty)
    setpriv --pdeathsig KILL "${command[@]}" "$@" 2>"$work/machine.$host" </dev/stdin &
  else
    setpriv --pdeathsig KILL "${command[@]}" "$@" </dev/null >"$work/machine.$host" 2>&1 &
  fi
  guest[$host]=$!
}

boot_joined() {  # HOST OTHER NUMBER
  local cable="dgram,id=cable,local.type=unix,local.path=$work/cable.$1"
  cable+=",remote.type=unix,remote.path=$work/cable.$2"
  local card="virtio-net-pci,netdev=cable,host_mtu=9000,speed=10000,duplex=full,romfile="
  boot "$1" -netdev "$cable" -device "$card,mac=52:54:00:77:00:0$3"
}

# Carries what HOST's script writes to the caller, each line after PREFIX, until its guest ends.
follow() {  # HOST PREFIX
  local follow=(tail -q -s 0.1 -c +1 --pid="${guest[$1]}" -f)
  if [[ -z $2 ]]; then
    "${follow[@]}" "$work/job/$1.out" 2>/dev/null &
    followers+=($!)
    "${follow[@]}" "$work/job/$1.err" >&2 2>/dev/null &
    followers+=($!)
  else
    "${follow[@]}" "$work/job/$1.out" 2>/dev/null | sed -u "s/^/$2/" &
    followers+=($!)
    "${follow[@]}" "$work/job/$1.err" 2>/dev/null | sed -u "s/^/$2/" >&2 &
    followers+=($!)
  fi
}

ended() { [[ -e $work/job/$1.status ]]; }

# Ends the guest HOST. Its pid is forgotten, since it may be another process's afterwards.
stop_guest() {  # HOST
  local pid=${guest[$1]}
  [[ -n $pid ]] || return 0
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
  guest[$1]=
}

# The other guest learns of a crash from the status, too.
crash() {  # HOST
  stop_guest "$1"
  ended "$1" || echo crashed >"$work/job/$1.status"
}

# A guest that is gone without a status has crashed.
notice_crash() {  # HOST
  [[ -z ${guest[$1]} ]] || kill -0 "${guest[$1]}" 2>/dev/null || crash "$1"
}

# Carries out what a guest asked for with guestctl.
obey_orders() {
  local file host
  for file in "$work"/job/orders/*; do
    host=${file##*.}
    [[ -e $file && -v guest[$host] ]] || continue
    case ${file##*/} in
      crash.*) crash "$host" ;;
      freeze.*) [[ -z ${guest[$host]} ]] || kill -STOP "${guest[$host]}" || true ;;
      thaw.*) [[ -z ${guest[$host]} ]] || kill -CONT "${guest[$host]}" || true ;;
    esac
    rm -f "$file"
  done
}

# Waits until every guest has ended or time is up, then ends them all and lets their output through.
await_guests() {
  local deadline=$((SECONDS + timeout)) host running=yes
  while [[ $running == yes ]] && ((SECONDS < deadline)); do
    read -r -t 0.05 -u "$clock" || true
    obey_orders
    running=no
    for host in "${!guest[@]}"; do
      notice_crash "$host"
      ended "$host" || running=yes
    done
  done
  for host in "${!guest[@]}"; do
    stop_guest "$host"
  done
  wait "${followers[@]}" || true
  followers=()
}

explain() {  # HOST REASON
  {
    echo "$program: guest $1: $2"
    tail -n 40 "$work"/{machine,console}."$1" 2>/dev/null | sed 's/^/  | /'
  } >&2
}

# The exit status that HOST's end amounts to, with a line on stderr where it is the harness's own.
verdict() {  # HOST
  local status=
  ! ended "$1" || read -r status <"$work/job/$1.status" || true
  case $status in
    '')
      local stage="boot"
      [[ ! -e $work/job/$1.started ]] || stage="its script"
      explain "$1" "timeout: $stage did not end within $timeout s"
      return 124 ;;
    failed)
      explain "$1" "not usable"
      return 125 ;;
    crashed)
      [[ " ${may_crash[*]-} " != *" $1 "* ]] || return 0
      explain "$1" "crashed"
      return 125 ;;
    *) return "$status" ;;
  esac
}

keep_consoles() {
  [[ -z $console ]] || cat "$work"/console.* >"$console"
}
