# shellcheck shell=bash
# shellcheck disable=SC2154  # the runner's variables
# shellcheck disable=SC2016  # scripts for the commands' shells
# rdrecv --forward: chains of receivers, and what fails anywhere in them.

declare -A hops=()  # pids by name
next=               # port of the hop that was started last; empty: none
hop_key=$key        # of the next start_hop

# An rdrecv with OPTIONs in directory NAME, into `target` there, that passes on to the one started before it. The sender
# sends to the one started last.
start_hop() {  # NAME [OPTION...]
  local name=$1 tries=0
  mkdir -p "$name"
  : >"$name/err"
  start "${wrap[@]}" "$bin/rdrecv" --fabric="$fabric" ${next:+"--forward=$host:$next"} "${@:2}" 0 "$hop_key" \
    ${target:+"$name/$target"} "${consumer[@]}" </dev/null >"$name/stdout" 2>"$name/err"
  hops[$name]=$!
  until [[ $(<"$name/err") =~ listening\ on\ port\ ([0-9]+) ]]; do
    runs "${hops[$name]}" || hop_fails_test "$name" "did not listen"
    ((tries++ < 1500 * scale)) || hop_fails_test "$name" "says nothing"
    pause 0.02
  done
  next=${BASH_REMATCH[1]} port=${BASH_REMATCH[1]}
}

# From the last to the first.
start_chain() {  # [OPTION...]
  local name
  for name in last mid first; do
    # The last one sends to nobody.
    if [[ $name == last && ${1-} =~ ^(-z|--compress) ]]; then start_hop last "${@:2}"; else start_hop "$name" "$@"; fi
  done
}

hop_fails_test() {  # NAME WHAT
  show ./*/err
  fail "$1: $2"
}

hop_exits() {  # NAME STATUS
  await_end "${hops[$1]}"
  [[ $status == "$2" ]] || hop_fails_test "$1" "exited with $status, not with $2"
}

all_exit() {  # STATUS
  local name
  await_end "$sender"
  [[ $status == "$1" ]] || { show ./*/err; fail "rdsend exited with $status, not with $1"; }
  for name in "${!hops[@]}"; do hop_exits "$name" "$1"; done
}

chain_succeeds() {  # SIZE
  all_exit 0
  [[ $fabric != rdma ]] || echo "$1" >>"$run/moved"
}

# One error line, which matches REGEX.
hop_says() {  # NAME REGEX
  (($(grep -c '^rdrecv: error: ' "$1/err") == 1)) || hop_fails_test "$1" "not one error line"
  grep '^rdrecv: error: ' "$1/err" | grep -qiE -- "$2" || hop_fails_test "$1" "its error line does not match: $2"
}

# Nothing came to be anywhere.
nothing_is_there() {
  local name
  for name in "${!hops[@]}"; do absent "$name/out"; done
  no_temporaries
}

# Hosts' names, for what is started from now on, where that is allowed.
become_host() {  # NAME
  unshare --uts true 2>/dev/null || skip "may not change the name of the host"
  wrap=(unshare --uts sh -c 'hostname "$0" && exec "$@"' "$1")
}
start_named_chain() {  # [OPTION...]
  local name
  for name in last mid first; do
    become_host "host-$name"
    start_hop "$name" "$@"
  done
  become_host host-sender
}

# All of the chain is up, with a part of the stream in a temporary of each.
stall_chain() {  # [OPTION OF THE SENDER...]
  make_gate
  echo hello >in
  start_writer from produce_with_gap 2
  target=out start_chain --keep-alive 1
  start_send --keep-alive 1 "$@" <from
  await_temporaries last mid first
}
await_temporaries() {  # NAME...
  local name tries=0
  for name in "$@"; do
    until [[ -n $(find "$name" -name '.out.rdpipe-*') ]]; do
      runs "$sender" || { show ./*/err; fail "rdsend has ended"; }
      ((tries++ < 750 * scale)) || hop_fails_test "$name" "nothing comes there"
      pause 0.02
    done
  done
}

# --- Chains that do their work ----------------------------------------------------------------------------------------

chain_of_three() {  # [OPTION...]
  local name
  next='' hops=()
  rm -rf last mid first
  target=out start_chain "$@"
  source=in start_send
  chain_succeeds "$(stat -c %s in)"
  for name in last mid first; do same in "$name/out"; done
  no_temporaries
}

test_chain_sizes() {
  local size
  for size in 0 1 4097 262144 3000001; do
    make_data "$size" in
    chain_of_three
  done
}

# limit 90
test_chain_ways() {
  local options
  make_data 2500001 in
  for options in "--ring 8k" "-s 4M --ring 8M" "--no-checksum" "--encrypt" "-z" "--compress=lz4 --encrypt" "-m 1M" \
    "-m 1M --encrypt" "--direct=on --fsync" "--rate-limit 20M"; do
    [[ $options != *direct* ]] || dd if=in of=direct bs=1M oflag=direct status=none 2>/dev/null || continue
    echo "$options"
    # shellcheck disable=SC2086  # words
    chain_of_three $options
  done
}

test_chain_keeps_holes() {
  truncate -s 300M in
  echo begin | dd of=in conv=notrunc status=none
  echo end >>in
  chain_of_three
  (($(stat -c %b mid/out) < 10000)) || fail "the holes of the one in the middle are filled"
  (($(stat -c %b last/out) < 10000)) || fail "the holes of the last one are filled"
}

test_chain_of_named_hosts() {
  make_data 3000000 in
  target=out start_named_chain -v
  source=in start_send -v
  chain_succeeds 3000000
  same in last/out
  says first/err 'Bandwidth .*, digest [0-9a-f]{32}, forwarded to host-mid over (RDMA|TCP)$'
  says mid/err 'forwarded to host-last'
  ! grep -q forwarded last/err || fail "the last one has nobody to forward to"
  # One digest all the way.
  (($(grep -ohE 'digest [0-9a-f]{32}' send.err ./*/err | sort -u | wc -l) == 1)) || fail "the digests differ"
}

test_chain_that_only_passes_on() {
  make_data 1000001 in
  target=out start_hop last
  target='' start_hop mid
  target='' start_hop first -o -
  source=in start_send
  chain_succeeds 1000001
  same in last/out
  [[ ! -s mid/stdout ]] || fail "standard output got something"
  same in first/stdout
}

test_chain_with_commands() {
  make_data 1000001 in
  consumer=(-- sh -c 'cat >last/out')
  start_hop last
  consumer=(-- sh -c 'cat >mid/out')
  start_hop mid
  consumer=()
  target=out start_hop first
  source=in start_send
  chain_succeeds 1000001
  same in last/out
  same in mid/out
  same in first/out
}

test_chain_told_to_programs() {
  type -P jq >/dev/null || skip "jq is not installed"
  make_data 1000000 in
  target=out start_named_chain --json-fd 5 5>objects
  source=in start_send
  chain_succeeds 1000000
  jq -se '[.[] | select(.event == "end").forwarded_to] | sort == [null, "host-last", "host-mid"]' objects >/dev/null ||
    fail "not where it was forwarded to: $(cat objects)"
}

# A sender does not lose patience while the chain comes up.
test_chain_that_comes_up_late() {
  local late
  echo hello >in
  choose_port
  late=$port next=$port
  target=out start_hop mid
  target=out start_hop first
  source=in start_send --connect-timeout "$scale"
  pause "$((scale + 1)).5"
  runs "$sender" || fail "rdsend did not wait"
  mkdir -p last
  start "$bin/rdrecv" --fabric="$fabric" "$late" "$key" last/out </dev/null 2>last/err
  hops[last]=$!
  chain_succeeds 6
  same in last/out
  same in mid/out
}

test_chain_keeps_listening() {
  local name
  for name in last mid first; do target=got.%n start_hop "$name" -k; done
  start_send < <(echo one)
  sender_exits 0
  producer=(-- sh -c 'echo part; exit 3')
  start_send </dev/null
  sender_exits 14
  producer=()
  start_send < <(echo two)
  sender_exits 0
  for name in last mid first; do
    kill -TERM "${hops[$name]}"
    hop_exits "$name" 0
    holds "$name/got.1" one
    holds "$name/got.2" two
    absent "$name/got.3"
    hop_says "$name" "run 'sh' on .*exited with status 3"
  done
  no_temporaries
}

# --- Chains that fail -------------------------------------------------------------------------------------------------

test_chain_whose_last_is_killed() {
  stall_chain
  kill -KILL "${hops[last]}"
  await_end "${hops[last]}"
  unset 'hops[last]'
  all_exit 10
  hop_says mid "went away|lost|reset"
  hop_says first "went away|lost|reset"
  one_error send.err "on $(hostname): .*(went away|lost|reset)"
  absent last/out
  rm -r last  # what a killed process cannot take away
  nothing_is_there
}

test_chain_whose_middle_is_killed() {
  stall_chain
  kill -KILL "${hops[mid]}"
  await_end "${hops[mid]}"
  sender_exits 10
  hop_exits first 10
  hop_exits last 12
  hop_says last "went away|lost|reset|incomplete"
  one_error send.err "on $(hostname): .*(went away|lost|reset)"
  absent last/out
  absent first/out
}

test_chain_whose_sender_is_killed() {
  local name
  stall_chain
  kill -KILL "$sender"
  for name in first mid last; do
    hop_exits "$name" 12
    hop_says "$name" "went away|incomplete|lost|reset"
  done
  nothing_is_there
}

test_chain_interrupted() {
  local name other
  for name in sender first mid last; do
    echo "$name"
    next='' hops=()
    rm -rf last mid first gate from
    stall_chain
    if [[ $name == sender ]]; then kill -TERM "$sender"; else kill -TERM "${hops[$name]}"; fi
    all_exit 20
    for other in first mid last; do hop_says "$other" "interrupted by SIGTERM"; done
    one_error send.err "interrupted by SIGTERM"
    nothing_is_there
  done
}

full_disk_at() {  # NAME
  make_data 6000000 in
  make_small_disk 1M
  mkdir "$1"
  mount --bind small "$1"
  undo+=("umount -l $1")
  target=out start_named_chain
  source=in start_send
  all_exit 11
  for name in send.err ./*/err; do says "$name" "error: store '$1/out'.*No space left on device"; done
  one_error send.err "store '$1/out' on host-$1: No space left on device"
  nothing_is_there
}
test_chain_whose_last_disk_is_full() {
  full_disk_at last
  hop_says first "store 'last/out' on host-last: "
  hop_says mid "store 'last/out' on host-last: "
}
test_chain_whose_middle_disk_is_full() {
  full_disk_at mid
  hop_says first "store 'mid/out' on host-mid: "
  hop_says last "store 'mid/out' on host-mid: "
}

test_chain_whose_last_command_fails() {
  echo hello >in
  consumer=(-- sh -c 'cat >/dev/null; echo it will not do >&2; exit 7')
  become_host host-last
  start_hop last
  consumer=()
  become_host host-first
  target=out start_hop first
  become_host host-sender
  source=in start_send
  all_exit 14
  one_error send.err "run 'sh' on host-last: .*7.*it will not do"
  absent first/out
  no_temporaries
}

test_chain_that_leads_nowhere() {
  echo hello >in
  choose_port
  next=$port
  become_host host-mid
  target=out start_hop mid --connect-timeout 1
  become_host host-first
  target=out start_hop first
  become_host host-sender
  source=in start_send
  all_exit 35
  one_error send.err "connect to .* on host-mid: "
  nothing_is_there
}

test_chain_with_another_key() {
  echo hello >in
  hop_key=another-secret-passphrase
  target=out start_hop last
  hop_key=$key
  target=out start_hop mid
  target=out start_hop first
  source=in start_send
  sender_exits 5
  one_error send.err "connect to .* on .*: wrong key"
  hop_exits first 5
  hop_exits mid 5
  kill -TERM "${hops[last]}"
  hop_exits last 20
  nothing_is_there
}

test_chain_whose_last_stands_still() {
  stall_chain -W 4
  kill -STOP "${hops[last]}"
  open_gate
  sender_exits 30
  kill -CONT "${hops[last]}"
  hop_exits first 30
  hop_exits mid 30
  hop_exits last 30
  nothing_is_there
}

# What the middle one takes into its buffer brings the last one nothing.
test_chain_whose_last_stands_still_behind_a_buffer() {
  consumer=(-- sleep 60)
  start_hop last -W 2
  consumer=()
  start_hop mid -m 512M
  start_send -r 20M </dev/zero
  sender_exits 30
  hop_exits mid 30
  hop_exits last 30
}

# The next one commits first: what fails behind that leaves those at the end of the chain ahead, and says so.
test_chain_whose_middle_cannot_be_put_in_place() {
  stall_chain
  mv mid gone
  rm -rf gone
  open_gate
  sender_fails
  one_error send.err "on $(hostname)"
  hop_exits last 0
  same in last/out
  absent first/out
}

test_chain_whose_middle_command_fails_behind_all() {
  echo hello >in
  target=out start_hop last
  consumer=(-- sh -c 'cat >/dev/null; echo no such pool >&2; exit 3')
  start_hop mid
  consumer=()
  target=out start_hop first
  source=in start_send
  sender_exits 14
  one_error send.err "exited with status 3: no such pool"
  hop_exits mid 14
  hop_says mid "run 'sh': exited with status 3: no such pool"
  hop_exits first 14
  hop_exits last 0
  same in last/out
  absent first/out
}

# Whoever is waited for says so along the whole chain.
test_chain_that_is_slow_on_purpose() {
  make_data 12288 in
  target=out start_hop last -W 1
  target=out start_hop mid -R 2k
  target=out start_hop first
  source=in start_send
  chain_succeeds 12288
  same in last/out
}

# Without a stream that it may touch.
test_chain_options() {
  local words
  for words in "--forward nowhere" "--forward :4" "--forward host:" "--forward ::1:4" "--forward []:4" \
    "--forward host:4 --fsync" "--forward host:4 --inplace" "-z" "--forward"; do
    # shellcheck disable=SC2086  # words
    if "$bin/rdrecv" $words 0 "$key" >/dev/null 2>recv.err </dev/null; then fail "rdrecv takes $words"; fi
    one_error recv.err .
  done
  [[ $("$bin/rdrecv" --help) == *--forward=HOST:PORT* ]] || fail "no word of it in --help"
}
