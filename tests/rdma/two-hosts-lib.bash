# shellcheck shell=bash
# What the scripts two-hosts-* have in common. Such a script is a file of cases, functions test_NAME, that run on hosts a
# and b at the same time, each in a bash of its own that has read tests/tools/lib.sh; they meet with `meet`. A comment
# right above a case says what the runner must know:
#   # over FABRIC...   the case runs once for each (rdma tcp); `any`: the case itself chooses
#   # limit SECONDS    ended and failed after that time (300)
#
# One line per case comes out: ok, FAIL (after what went wrong, on which host) or SKIP with a reason. A case is ok only
# if both hosts say so; of a host that has crashed the other one's word is enough. Lines `RDMA bytes: N` are to be added
# up; a host whose RDMA device has not counted a packet says 0.
# shellcheck disable=SC2154  # the variables of tests/tools/lib.sh
two_hosts=$(cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")" && pwd)
self=${RDPIPE_GUEST-}

# --- In a case --------------------------------------------------------------------------------------------------------

at() { [[ $self == "$1" ]]; }  # a|b

meet() {  # NAME [SECONDS]
  guestctl barrier "$case_name.$1" "${2:-120}" || { show ./*/*.err; fail "the other host did not come to '$1'"; }
}

# The same bytes on both hosts, nowhere repeated.
make_known_data() {  # SIZE FILE
  seq 100000000 199999999 2>/dev/null | head -c "$1" >"$2" || true
}

# The COUNTth port that both hosts know, for start_recv and start_send.
use_port() {  # COUNT
  # shellcheck disable=SC2034  # for tests/tools/lib.sh
  port=$((case_port + $1)) listen_on=$((case_port + $1))
}

arrived() {  # SIZE: over RDMA, and checked
  [[ $fabric != rdma ]] || echo "$1" >>"$run/moved"
}

# --- In a guest -------------------------------------------------------------------------------------------------------

# Lines of `name limit fabric...`, in the order of the file.
list_cases() {  # SCRIPT
  awk '
    function reset() { limit = 300; over = "rdma tcp" }
    FNR == 1 { reset() }
    /^# limit [0-9]+$/ { limit = $3; next }
    /^# over / { over = substr($0, 8); next }
    /^test_[a-z0-9_]+\(\) \{/ { sub(/\(.*/, ""); print substr($0, 6), limit, over; reset(); next }
    !/^#/ { reset() }
  ' "$1"
}

run_case() {  # SCRIPT NAME LIMIT
  local status=0 log=$run/$case_name.log
  mkdir "$run/$case_name"
  (cd "$run/$case_name" && exec timeout --kill-after=10 "$3" bash "$two_hosts/../tools/lib.sh" "$1" "test_$2") \
    >"$log" 2>&1 </dev/null || status=$?
  ((status != 124 && status != 137)) || echo "not done after $3 s" >>"$log"
  ((status == 0 || status == 77)) || sed "s/^/$fabric: $2: /" "$log"
  { echo "$status"; tail -n 1 "$log"; } >"$RDPIPE_OUT/$case_name.$self"
  rm -rf "${run:?}/$case_name"
  guestctl barrier "$case_name-is-over" "$3" || return 0  # then this host's word is enough
}

# What a has to say for both.
print_verdict() {  # NAME SECONDS
  local host status reason verdict=ok
  for host in a b; do
    { read -r status && read -r reason; } <"$RDPIPE_OUT/$case_name.$host" 2>/dev/null || [[ -n ${status-} ]] || continue
    case $status in
      0) ;;
      77) [[ $verdict == FAIL ]] || verdict="SKIP" ;;
      *) verdict=FAIL ;;
    esac
    status=
  done
  [[ $verdict != FAIL ]] || failed=1
  case $verdict in
    ok) echo "ok two hosts, $fabric: $1 ($2 s)" ;;
    SKIP) echo "SKIP two hosts, $fabric: $1: $reason" ;;
    FAIL) echo "FAIL two hosts, $fabric: $1" ;;
  esac
}

rdma_packets() { cat /sys/class/infiniband/*/ports/*/hw_counters/sent_pkts; }

print_bytes() {  # PACKETS-BEFORE
  local bytes=0
  [[ ! -e $run/moved ]] || bytes=$(awk '{total += $1} END {printf "%d", total}' "$run/moved")
  (($(rdma_packets) > $1)) || bytes=0
  echo "RDMA bytes: $bytes"
}

run_cases_here() {  # SCRIPT BIN PATTERN
  local name limit fabrics number=0 start packets failed=0
  packets=$(rdma_packets)
  host=10.77.1.2 host6=fd77:1::2 bin=$2 scale=4 private_mounts=no
  if at b; then host=10.77.1.1 host6=fd77:1::1; fi
  run=$(mktemp -d)
  export host host6 bin scale private_mounts run fabric case_name case_port
  while read -r -u 5 name limit fabrics; do
    [[ $name =~ $3 ]] || continue
    for fabric in $fabrics; do
      number=$((number + 1)) start=$SECONDS
      case_port=$((4000 + 50 * number)) case_name=$name.$fabric
      run_case "$1" "$name" "$limit"
      ! at a || print_verdict "$name" "$((SECONDS - start))"
    done
  done 5< <(list_cases "$1")
  print_bytes "$packets"
  return "$failed"
}

# --- On this machine --------------------------------------------------------------------------------------------------

# Boots two hosts that run SCRIPT's cases.
run_on_two_hosts() {  # SCRIPT [--bin DIR] [PATTERN]
  local script bin pattern=. status=0 log
  script=$(realpath "$1")
  bin=$two_hosts/../../build/tools
  shift
  [[ ${1-} != --bin ]] || { bin=$2; shift 2; }
  pattern=${1:-.}
  bin=$(realpath "$bin")
  if [[ -n $self ]]; then
    run_cases_here "$script" "$bin" "$pattern"
    return
  fi
  [[ -x $bin/rdsend && -x $bin/rdrecv ]] || { echo "no rdsend and rdrecv in $bin" >&2; return 2; }
  log=$(mktemp -d)
  # shellcheck disable=SC2064  # now
  trap "rm -rf '$log'" EXIT
  "$two_hosts/on-two-hosts" --timeout 1500 --may-crash b --out "$log/out" "$script" "$script" --bin "$bin" "$pattern" 2>&1 |
    sed -u -E 's/^[ab]: (ok |FAIL |SKIP |RDMA bytes: )/\1/' | tee "$log/lines" || status=$?
  ((status != 0)) || grep -q '^ok ' "$log/lines" || { echo "FAIL two hosts: no case ran"; status=1; }
  if ((status != 0 && status != 77)) && ! grep -q '^FAIL ' "$log/lines"; then
    echo "FAIL $(basename "$script"): exit status $status"
  fi
  return "$status"
}
