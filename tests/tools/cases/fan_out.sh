# shellcheck shell=bash
# shellcheck disable=SC2154  # lib.sh's variables
# One stream to several receivers.
# shellcheck source=progress_told.sh
source "$cases/progress_told.sh"

declare -A pids=()
targets=()

# An rdrecv into the file NAME, or what `consumer` says; its messages are in NAME.err, here.
add_receiver() {  # NAME [OPTION...]
  target=$1 start_recv "${@:2}"
  as_receiver "$1"
}
as_receiver() {  # NAME
  mv recv.err "${1##*/}.err"
  pids[$1]=$receiver
  targets+=(-O "$host:$port")
}
# From `source` or the caller's stdin.
send_to_all() {  # [OPTION...]
  start "$bin/rdsend" --fabric="$fabric" "${targets[@]}" "$@" "$key" ${source:+"$source"} "${producer[@]}" 2>send.err
  sender=$!
}
ends() {  # NAME STATUS [SECONDS]
  await_end "${pids[$1]}" "${@:3}"
  [[ $status == "$2" ]] || { show "${1##*/}.err"; fail "$1 exited with $status, not with $2"; }
}
moved() { [[ $fabric != rdma ]] || echo "$1" >>"$run/moved"; }  # BYTES
has_line() { grep -qE -- "^rdsend: [^ ]*: $1" send.err || fail "no line of a receiver: $1"; }  # REGEX

test_fan_out_of_a_file() {
  local name
  make_data 5000001 in
  for name in a b c; do add_receiver "$name"; done
  source=in send_to_all -v
  sender_exits 0
  for name in a b c; do
    ends "$name" 0
    same in "$name"
  done
  (($(grep -c 'committed: Bandwidth .* 5000001 bytes' send.err) == 3)) || fail "not a line for each"
  moved 15000003
}

test_fan_out_of_a_pipe_is_silent() {
  make_data 300000 in
  add_receiver a
  add_receiver b --slot 64k
  send_to_all --hash sha256 < <(cat in)
  sender_exits 0
  ends a 0
  ends b 0
  same in a
  same in b
  says send.err "^sha256 $(sha256sum <in | cut -d' ' -f1)"
  ! grep -v '^sha256' send.err || fail "it said more"
}

test_fan_out_sealed_and_compressed() {
  yes 'the same again' | head -c 3000000 >in || true
  add_receiver a --encrypt
  add_receiver b
  source=in send_to_all -v -z -m 16M
  sender_exits 0
  ends a 0
  ends b 0
  (($(grep -c ' committed: .*, compressed ' send.err) == 2)) || fail "not compressed for both"
  (($(grep -c ' committed: .*, sealed' send.err) == 1)) || fail "not sealed for one of them alone"
  same in a
  same in b
}

# Takes its first byte, and the rest when the gate is open.
add_slow_receiver() {  # NAME [OPTION...]
  make_gate
  start_reader to consume_with_gap 1
  start_recv "${@:2}" >to
  as_receiver "$1"
}

# limit 120
test_fan_out_to_five_of_which_two_fail() {
  make_small_disk 1M
  make_data 20000000 in
  mkfifo data
  add_receiver a
  add_slow_receiver slow
  add_receiver dead
  add_receiver small/full
  add_receiver b
  exec {producer_fd}<>data
  send_to_all --min-receivers 3 -m 64M <data {producer_fd}>&-
  head -c 500000 in >data
  until [[ -n $(find . -name '.dead.rdpipe-*' -size +0) ]]; do pause 0.02; runs "$sender" || fail "rdsend has ended"; done
  kill -KILL "${pids[dead]}"
  tail -c +500001 in >data
  exec {producer_fd}>&-
  ends a 0 40
  ends b 0 40
  same in a
  same in b
  runs "$sender" || fail "rdsend waits for nobody"
  runs "${pids[slow]}" || fail "the slow one has ended"
  open_gate
  sender_exits 0 40
  ends slow 0
  await_end "$reader"
  same in out
  ends small/full 11
  absent small/full
  has_line 'failed with status 10: '
  has_line 'failed with status 11: .*No space left'
  (($(grep -c ': committed: ' send.err) == 3)) || fail "not a line for each that has committed"
  moved 60000000
}

test_fan_out_one_disk_is_full_and_all_must_commit() {
  make_small_disk 1M
  make_data 20000000 in
  add_receiver a
  add_receiver small/full
  source=in send_to_all
  sender_exits 11
  ends a 11
  ends small/full 11
  absent a
  no_temporaries
  says send.err '^rdsend: error: send to 2 receivers: 1 can commit and 2 must: .*No space left'
  has_line 'failed with status 11: '
  has_line 'given up with status 11'
  says a.err 'No space left'
}

# A receiver that has everything, and waits.
add_waiting_receiver() {  # NAME COMMAND...
  consumer=(-- sh -c "cat >/dev/null; : >$1.ended; ${*:2}")
  start_recv
  consumer=()
  as_receiver "$1"
}

# limit 90
test_fan_out_one_fails_behind_the_end_of_the_others() {
  echo hello >in
  add_waiting_receiver a 'exec sleep 60'
  add_waiting_receiver stopped 'exec sleep 60'
  add_waiting_receiver failing 'until [ -e go ]; do sleep 0.02; done; exit 5'
  add_receiver good
  source=in send_to_all --json-fd 3 3>objects
  for name in a stopped failing; do
    until [[ -e $name.ended ]]; do pause 0.02; runs "$sender" || fail "rdsend has ended"; done
  done
  ends good 0
  kill -STOP "${pids[stopped]}"
  : >go
  sender_exits 14
  kill -CONT "${pids[stopped]}"
  for name in a stopped failing; do ends "$name" 14; done
  has_line 'failed with status 14: .*exited with status 5'
  has_line 'committed: '
  grep -q "^rdsend: ${targets[1]}: given up with status 14\$" send.err || fail "a has confirmed that it gave up"
  grep -q "^rdsend: ${targets[3]}: given up with status 14: whether it has the data is unknown\$" send.err ||
    fail "nobody knows what has become of the stopped one"
  need_jq
  fits_schema objects rdsend
  [[ $(jq -c 'select(.event == "end") | [.receivers[] | .status, .given_up, .unknown]' objects) == \
    '[14,true,false,14,true,true,14,false,false,0,false,false]' ]] || fail "the objects say something else"
}

# limit 90
test_fan_out_nobody_reads_what_it_says() {
  make_small_disk 1M
  make_data 20000000 in
  mkfifo said
  exec {said}<>said
  timeout 1 cat /dev/zero >&"$said" || true  # until it is full
  add_receiver a
  add_receiver small/full
  start "$bin/rdsend" --fabric="$fabric" "${targets[@]}" --min-receivers 1 "$key" in 2>&"$said"
  sender=$!
  ends small/full 11
  ends a 0 40
  same in a
  timeout 60 tr -d '\0' <said >send.err {said}>&- &  # it ends when rdsend does
  local reader=$!
  exec {said}>&-
  sender_exits 0
  await_end "$reader"
  has_line 'failed with status 11: .*No space left'
  has_line 'committed'
}

test_fan_out_one_is_not_there() {
  choose_port
  local nobody=$port
  add_receiver a --connect-timeout 1 --timeout 1
  targets+=(-O "$host:$nobody")
  make_data 100000 in
  source=in send_to_all --min-receivers 1 --connect-timeout 3
  sender_exits 0
  ends a 0
  same in a
  has_line 'failed with status 35: '
}

test_fan_out_too_few_are_there() {
  choose_port
  local nobody=$port
  add_receiver a
  targets+=(-O "$host:$nobody")
  producer=(-- touch started)
  send_to_all --connect-timeout 1 </dev/null
  sender_exits 35
  ends a 35
  absent started
  absent a
  says send.err '^rdsend: error: send to 2 receivers: 1 can commit and 2 must: '
}

test_fan_out_one_has_another_key() {
  add_receiver a
  key=ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100 add_receiver other
  make_data 100000 in
  source=in send_to_all --min-receivers 1
  sender_exits 0
  ends a 0
  same in a
  has_line 'failed with status 5: .*wrong key'
  runs "${pids[other]}" || fail "it listens no more"
}

# limit 90
test_fan_out_drops_one_that_stops() {
  make_data 30000000 in
  add_receiver a
  add_receiver stopped
  start_writer from paused_writer
  send_to_all --min-receivers 1 --drop-slow 1 <from
  until [[ -n $(find . -name '.stopped.rdpipe-*') ]]; do pause 0.02; runs "$sender" || fail "rdsend has ended"; done
  kill -STOP "${pids[stopped]}"
  : >go
  ends a 0 40
  same in a
  has_line 'failed with status 30: .*held up the others for 1 s'
  kill -CONT "${pids[stopped]}"
  sender_exits 0 20
  await_end "${pids[stopped]}"
  ((status != 0)) || fail "what was given up exited with 0"
  absent stopped
}
paused_writer() {
  head -c 100 in
  until [[ -e go ]]; do sleep 0.02; done
  tail -c +101 in
}

test_fan_out_producer_fails() {
  local name
  for name in a b; do add_receiver "$name"; done
  producer=(-- sh -c 'head -c 100000 /dev/zero; exit 3')
  send_to_all --min-receivers 1 </dev/null
  sender_exits 14
  for name in a b; do
    ends "$name" 14
    absent "$name"
  done
  no_temporaries
}

test_fan_out_interrupted() {
  local name
  make_gate
  echo hello >in
  for name in a b; do add_receiver "$name"; done
  start_writer from produce_with_gap 2
  send_to_all --min-receivers 1 <from
  until (($(find . -name '.[ab].rdpipe-*' | wc -l) == 2)); do pause 0.02; runs "$sender" || fail "rdsend has ended"; done
  kill -TERM "$sender"
  sender_exits 20
  for name in a b; do
    ends "$name" 20
    absent "$name"
  done
  no_temporaries
}

test_fan_out_interrupted_while_connecting() {
  choose_port
  local nobody=$port
  add_receiver a
  targets+=(-O "$host:$nobody")
  send_to_all --connect-timeout 30 </dev/null
  until [[ -n $(find . -name '.a.rdpipe-*') ]] || ! runs "$sender"; do pause 0.02; done
  kill -INT "$sender"
  sender_exits 20
  ends a 20
  absent a
}

test_fan_out_in_json() {
  need_jq
  choose_port
  local nobody=$port
  add_receiver a
  targets+=(-O "$host:$nobody")
  make_data 100000 in
  source=in send_to_all --min-receivers 1 --connect-timeout "$scale" --json
  sender_exits 0
  fits_schema send.err rdsend
  ends a 0
  [[ $(jq -c 'select(.event == "receiver") | [.host, .status, .given_up]' send.err) == "[\"$host:$nobody\",35,false]" ]] ||
    fail "it is not told of at once"
  [[ $(jq -c 'select(.event == "end") | [.result, .bytes, (.receivers[] | .status, .bytes)]' send.err) == '["ok",100000,0,100000,35,0]' ]] ||
    fail "the end says something else"
  [[ $(jq -r 'select(.event == "start") | .receivers[1]' send.err) == "$host:$nobody" ]] || fail "the start names them not"
}

# The receivers have done nothing wrong.
test_fan_out_whose_source_is_silent() {
  add_receiver a
  add_receiver b
  producer=(-- sh -c 'echo begun; exec sleep 60')
  send_to_all -W 1 </dev/null
  sender_exits 30
  one_error send.err "read from 'sh': no data moved for 1 s"
  (($(grep -c ': given up with status 30$' send.err) == 2)) || fail "the receivers are blamed"
  ends a 30
  ends b 30
  absent a
  absent b
}

test_fan_out_that_makes_no_sense() {
  refused() {  # REGEX WORD...
    status=0
    RDPIPE_KEY=$key "$bin/rdsend" "${@:2}" </dev/null 2>send.err || status=$?
    ((status == 1)) || fail "exited with $status: ${*:2}"
    says send.err "$1"
  }
  refused 'is given twice' -O "$host:1" -O "$host:1"
  refused 'min-receivers=3' -O "$host:1" -O "$host:2" --min-receivers 3
  refused 'drop-slow needs' -O "$host:1" --drop-slow 3
  refused 'no watermarks' -O "$host:1" -O "$host:2" -m 1M -P 50
}
