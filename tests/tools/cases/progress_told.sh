# shellcheck shell=bash
# How far it is, off a terminal: for people, for scripts, for programs, and in a log.
# shellcheck source=../sshd.bash
source "$cases/../sshd.bash"

page=$cases/../../../man

# --- Off a terminal ---------------------------------------------------------------------------------------------------

plain() { ! grep -n $'[\e\r\b]' "$1" || fail "$1 has control codes"; }  # FILE

# A transfer of a second and a half, half of it a rest, with OPTIONs for the sender.
send_with_a_rest() {  # [OPTION...]
  rm -f gate from
  make_gate
  make_data 400000 in
  start_writer from produce_with_gap 200000
  target=out start_recv
  began=$EPOCHREALTIME
  start_send "$@" <from
  until [[ -n $(find . -name '.out.rdpipe-*') ]]; do pause 0.02; both_alive; done
  pause 1.5
  open_gate
  both_succeed 400000
  same in out
}

test_no_progress_in_a_file() {
  send_with_a_rest
  [[ ! -s send.err ]] || fail "it draws into a file"
}

test_progress_always() {
  send_with_a_rest --progress=always --interval 0.3 --size 400000
  plain send.err
  says send.err '^200\.00 kB  50%  .*B/s'
  [[ $(tail -n 1 send.err) =~ ^400.00\ kB\ \ 100%\ .*\ in\ 0:00:0 ]] || fail "the last line is no summary"
  awk -v lines="$(wc -l <send.err)" -v "seconds=$EPOCHREALTIME - $began" 'BEGIN { split(seconds, at, " - "); exit !(lines <= 2 + (at[1] - at[2]) / 0.3) }' ||
    fail "more lines than intervals"
}

test_progress_numeric() {
  send_with_a_rest --numeric --interval 0.3 --size 400000
  ! grep -vE '^[0-9]+$' send.err || fail "not a number"
  says send.err '^50$'
  [[ $(tail -n 1 send.err) == 100 ]] || fail "the last is not 100"
  (($(grep -c '^100$' send.err) == 1)) || fail "100 before the end"
  sort -nc send.err || fail "it goes back"
}

test_progress_numeric_without_a_size() {
  send_with_a_rest --numeric --interval 0.3
  says send.err '^200000$'
  [[ $(tail -n 1 send.err) == 400000 ]] || fail "the last is not the number of bytes"
}

# More than was said: no per cent that is wrong, and no 100 before the end.
test_progress_with_a_size_that_is_too_small() {
  send_with_a_rest --progress=always --interval 0.3 --size 1000
  ! grep % send.err | grep -v buffer || fail "it knows a per cent"
  send_with_a_rest --numeric --interval 0.3 --size 1
  [[ $(grep -vx 0 send.err | sort -u) == $'100\n99' ]] || fail "not 99 until the end"
}

# A number is a line of its own, also where the command has begun one.
test_progress_numeric_beside_a_command() {
  echo hello >in
  producer=(-- sh -c 'printf "reading disk 1..." >&2; sleep 1; echo ok >&2; cat in')
  target=out start_recv
  start_send --numeric --interval 0.2 </dev/null
  both_succeed 6
  says send.err '^reading disk 1\.\.\.$'
  says send.err '^ok$'
  ! grep -vE '^[0-9]+$|^reading disk 1\.\.\.$|^ok$' send.err || fail "not line by line"
}

test_progress_with_a_size_of_nothing() {
  send_with_a_rest --numeric --interval 0.3 --size 0
  says send.err '^200000$'
  [[ $(tail -n 1 send.err) == 400000 ]] || fail "the last is not the number of bytes"
}

# tcp only: another rdcp is not started
test_progress_numeric_of_a_copy_that_fails_in_part() {
  echo one >one
  mkdir into
  local status=0
  "$bin/rdcp" --numeric one nowhere into 2>copy.err || status=$?
  ((status == 23)) || fail "exit $status, not 23: $(cat copy.err)"
  says copy.err '^99$|^0$'
  ! grep -x 100 copy.err || fail "all is in its place, it says"
}

# --- For programs -----------------------------------------------------------------------------------------------------

need_jq() { type -P jq >/dev/null || skip "jq is not installed"; }

# The members of the objects of TOOL as its page has them: `EVENT MEMBER TYPE[|TYPE]`.
schema_of() { sed -n '/^\.\\" schema/,/^\.Ed/p' "$page/$1.1" | grep -E '^(all|start|listening|tick|end|notice|receiver) '; }

# Each line of FILE is one object with the members that the page of TOOL has for its event, no others, of these types;
# the first is a start, the last, and no other, an end.
fits_schema() {  # FILE TOOL
  need_jq
  schema_of "$2" | jq -Rn '[inputs | split(" ") | map(select(. != "")) | {event: .[0], name: .[1], types: (.[2] | split("|"))}]' >schema
  jq -e 'length > 20' schema >/dev/null || fail "no schema in the page"
  jq -c --slurpfile schema schema '
    . as $o | (if .event == "warning" then "notice" else .event end) as $event
    | [$schema[0][] | select(.event == $event or .event == "all")] as $members
    | select(([$members[].name] | sort) != ($o | keys) or
             any($members[]; . as $m | ($o[$m.name] | type) as $type | $m.types | index($type) | not))' "$1" >misfits ||
    fail "not JSON: $(cat "$1")"
  [[ ! -s misfits ]] || fail "not as the page has it: $(cat misfits)"
  jq -se '.[0].event == "start" and .[-1].event == "end" and ([.[] | select(.event == "end")] | length) == 1' "$1" >/dev/null ||
    fail "start and end are not where they should be"
}

test_progress_json() {
  need_jq
  send_with_a_rest --json --interval 0.3 --size 400000 --hash sha256
  fits_schema send.err rdsend
  jq -se --arg fabric "$fabric" --arg hash "sha256 $(sha256sum <in | cut -d ' ' -f 1)" '
    (.[-1] | .result == "ok" and .status == 0 and .bytes == 400000 and .fabric == $fabric and .hash == $hash
      and (.digest | length) == 32)
    and ([.[] | select(.event == "tick")] | length >= 3 and any(.[]; .percent == 50 and .bytes == 200000))' send.err ||
    fail "not what was sent: $(cat send.err)"
}

test_progress_json_of_a_receiver() {
  need_jq
  make_data 400000 in
  : >recv.err
  start "$bin/rdrecv" --fabric="$fabric" --json 0 "$key" </dev/null 2>recv.err >out
  receiver=$!
  await_line recv.err '"listening"'
  port=$(jq 'select(.event == "listening").port' recv.err)
  source=in start_send --json-fd 5 5>objects
  both_succeed 400000
  fits_schema recv.err rdrecv
  fits_schema objects rdsend
  [[ ! -s send.err ]] || fail "it speaks on standard error, too"
  same in out
  jq -se '.[-1].digest' recv.err >digest
  jq -se '.[-1].digest' objects | cmp - digest || fail "the digests differ"
}

test_progress_json_of_a_failure() {
  need_jq
  make_data 400000 in
  target=missing/out port=4711
  start "$bin/rdrecv" --fabric="$fabric" --json 0 "$key" missing/out </dev/null 2>recv.err
  receiver=$!
  receiver_exits 3
  fits_schema recv.err rdrecv
  jq -se '.[-1] | .result == "error" and .status == 3 and (.error | test("missing"))' recv.err >/dev/null ||
    fail "not what went wrong: $(cat recv.err)"
}

# Nobody reads the objects: none is begun, and the stream is there all the same.
test_progress_json_whose_reader_is_stuck() {
  make_data 400000 in
  mkfifo objects
  exec {stuck}<>objects
  dd if=/dev/zero of=objects bs=4096 oflag=nonblock conv=notrunc 2>/dev/null && fail "the fifo does not fill"
  target=out start_recv
  source=in start_send --json-fd "$stuck"
  both_succeed 400000
  same in out
  timeout 2 cat <&"$stuck" | tr -d '\0' >begun || true
  [[ ! -s begun ]] || fail "something was begun: $(cat begun)"
}

# Nobody reads what it says: a signal ends it all the same.
test_a_signal_ends_what_nobody_listens_to() {
  mkfifo screen
  exec {stuck}<>screen
  dd if=/dev/zero of=screen bs=4096 oflag=nonblock conv=notrunc 2>/dev/null && fail "the fifo does not fill"
  start "$bin/rdrecv" -v --fabric="$fabric" 0 "$key" </dev/null 2>&"$stuck"
  receiver=$!
  pause 1
  runs "$receiver" || fail "it does not listen"
  kill -TERM "$receiver"
  receiver_exits 20
}

test_progress_json_tells_of_retries() {
  need_jq
  echo hello >in
  choose_port
  source=in start_send --json
  pause 0.5
  listen_on=$port target=out start_recv
  both_succeed 6
  fits_schema send.err rdsend
  jq -se '.[-1].retries > 0' send.err >/dev/null || fail "no retries: $(cat send.err)"
}

# tcp only: another rdcp is not started
test_progress_json_of_a_copy() {
  need_jq
  mkdir tree
  make_data 3000000 tree/large
  echo small >tree/small
  "$bin/rdcp" -r --json tree copy 2>copy.err || fail "it fails: $(cat copy.err)"
  fits_schema copy.err rdcp
  jq -se '.[-1] | .files == 2 and .bytes == 3000006 and .fabric == "local"' copy.err >/dev/null || fail "$(cat copy.err)"
  ! "$bin/rdcp" -r --json missing other 2>copy.err || fail "it finds what is not there"
  fits_schema copy.err rdcp
}

test_progress_of_a_copy_to_another_host() {
  need_jq
  make_rsh ""
  mkdir dir
  make_data 3000000 dir/large
  echo small >dir/small
  copies 0 -r --json dir db2:copy
  fits_schema copy.err rdcp
  jq -se --arg fabric "$fabric" '.[-1] | .fabric == $fabric and .files == 2 and .bytes == 3000006' copy.err >/dev/null ||
    fail "$(cat copy.err)"
  copies 0 -r --numeric --interval 0.2 db2:copy/ back
  ! grep -vE '^[0-9]+$' copy.err || fail "not a number"
  [[ $(tail -n 1 copy.err) == 100 ]] || fail "the last is not 100"
  same dir/large back/large
  [[ $fabric != rdma ]] || printf '%s\n' 3000006 3000006 >>"$run/moved"
}

# --- The log, and what makes no sense ---------------------------------------------------------------------------------

test_log_file() {
  echo "from before" >log
  echo hello >in
  target=out start_recv -q -l log
  source=in start_send -l log
  both_succeed 6
  port=4711 start "$bin/rdsend" --fabric="$fabric" -l log --connect-timeout 0.2 "$host" 1 "$key" in 2>send.err
  sender=$!
  sender_exits 35
  [[ $(head -n 1 log) == "from before" ]] || fail "the old log is gone"
  ! tail -n +2 log | grep -vE '^[0-9-]{10}T[0-9:.]{12}Z rd(send|recv): ' || fail "a line of another form"
  says log 'Z rdrecv: listening on port'
  (($(grep -c 'Bandwidth' log) == 2)) || fail "not both results"
  says log 'Z rdsend: error: connect to'
  says log 'Z rdsend: hint: '
}

# tcp only: no data of interest move
test_log_to_a_full_disk() {
  echo hello >in
  target=out start_recv
  source=in start_send -v -l /dev/full
  both_succeed 6
  (($(grep -c "^rdsend: warning: the log could not be written" send.err) == 1)) || fail "not one warning"
  says send.err "^rdsend: Bandwidth"
}

# tcp only: nothing is sent
test_progress_that_makes_no_sense() {
  refuses() {  # STATUS REGEX WORD...
    local status=0
    "${@:3}" </dev/null >refused.out 2>refused || status=$?
    ((status == $1)) || { cat refused; fail "${*:3}: exit $status, not $1"; }
    says refused "$2"
  }
  echo data >in
  local send=("$bin/rdsend" --connect-timeout 0.1 "$host" 1 "$key") recv=("$bin/rdrecv" 0 "$key")
  refuses 1 "is not a size" "${send[@]}" --size many
  refuses 1 "is not one of" "${send[@]}" --progress=sometimes
  refuses 1 "needs an argument that is not empty" "${send[@]}" --progress=
  refuses 1 "is not a number of seconds" "${send[@]}" --interval 0
  refuses 1 "exclude each other" "${send[@]}" --json --numeric
  refuses 1 "exclude each other" "${send[@]}" --json --progress=always
  refuses 1 "not open for writing" "${send[@]}" --json-fd 77
  refuses 1 "same file" "${recv[@]}" --json-fd 1
  refuses 1 "same file" "${recv[@]}" --json-fd 1 -- cat
  refuses 1 "data are in the same file" "${send[@]}" -l in in
  refuses 1 "data are in the same file" "${recv[@]}" -l refused.out -- cat
  refuses 1 "data are in the same file" "${recv[@]}" -l new ./new
  absent new
  refuses 3 "log to 'missing/log'" "${send[@]}" -l missing/log
  refuses 1 "option --json" "$bin/rdcp" --serve --json .
  holds in data
  local option status
  for option in --json --numeric --progress=always; do
    status=0
    timeout 10 "${recv[@]}" "$option" 2>&1 </dev/null | cat >mixed || status=$?
    ((status == 1)) || fail "$option mixes with the data: exit $status"
    status=0
    timeout 10 "${recv[@]}" "$option" -- cat 2>&1 </dev/null | cat >mixed || status=$?
    ((status == 1)) || fail "$option mixes with what a command prints: exit $status"
  done
}

test_progress_with_stderr_closed() {
  make_data 400000 in
  target=out start_recv
  start "$bin/rdsend" --fabric="$fabric" --json "$host" "$port" "$key" in 2>&-
  sender=$!
  both_succeed 400000
  same in out
}

test_watchdog() {
  start_writer from sleep 30
  target=out start_recv
  start_send -W 1 <from
  both_exit 30
  one_error send.err "no data moved for 1 s"
}
