# shellcheck shell=bash
# shellcheck disable=SC2016  # scripts for the commands' shells
# Commands at the ends: what comes of them is what comes of the stream, and none outlives it.

# The scripts of sh -c; each ends as its name says. A consumer that saw an end of its input leaves `ended`.
declare -A producers=(
  [well]='cat in'
  [early]='echo no such snapshot >&2; exit 3'
  [late]='cat in; echo lost the disk >&2; exit 3'
  [signal]='head -c 100000 in; kill -KILL $$'
  [closes]='head -c 100000 in; exec >&-; sleep 0.2; exit 3'
)
declare -A consumers=(
  [well]='cat >part && touch ended'
  [early]='echo no such pool >&2; exit 3'
  [late]='cat >part && touch ended; echo out of space >&2; exit 3'
  [signal]='head -c 100000 >part; kill -KILL $$'
  [closes]='head -c 100000 >part; exec <&-; sleep 0.2; exit 0'
)
kinds=(well early late signal closes)

# One of each kind, to a NAMEd end.
run_pair() {  # PRODUCER CONSUMER
  rm -f part ended
  consumer=(-- sh -c "${consumers[$2]}")
  producer=(-- sh -c "${producers[$1]}")
  start_recv
  start_send </dev/null
}

# limit 240
test_commands_in_every_combination() {
  make_data 3000000 in
  local from to
  for from in "${kinds[@]}"; do
    for to in "${kinds[@]}"; do
      run_pair "$from" "$to"
      if [[ $from == well && $to == well ]]; then
        both_succeed 3000000
        same in part
        [[ -e ended ]] || fail "rdrecv did not wait for its command"
        continue
      fi
      sender_exits 14
      receiver_exits 14
      (($(grep -c '^rdsend: error: ' send.err) == 1)) || fail "$from to $to: not one error line of rdsend"
      (($(grep -c '^rdrecv: error: ' recv.err) == 1)) || fail "$from to $to: not one error line of rdrecv"
      [[ $from == well ]] || absent ended  # a cut stream never looks like an end
    done
  done
}

test_producer_that_fails_says_why_at_both_ends() {
  echo old >out
  make_data 3000000 in
  producer=(-- sh -c "${producers[late]}")
  target=out start_recv
  start_send </dev/null
  both_exit 14
  one_error recv.err "run 'sh' on $(hostname): exited with status 3: lost the disk"
  says send.err "error: run 'sh': exited with status 3: lost the disk"
  says send.err '^lost the disk$'
  holds out old
  no_temporaries
}

test_consumer_that_fails_says_why_at_both_ends() {
  make_data 3000000 in
  consumer=(-- sh -c "${consumers[late]}")
  start_recv
  source=in start_send
  both_exit 14
  one_error send.err "run 'sh' on $(hostname): exited with status 3: out of space"
  says recv.err "error: run 'sh': exited with status 3: out of space"
}

test_consumer_by_signal_and_by_its_closed_pipe() {
  make_data 3000000 in
  consumer=(-- sh -c "${consumers[signal]}")
  start_recv
  source=in start_send
  both_exit 14
  one_error send.err "run 'sh' on .*: was ended by SIGKILL"
  consumer=(-- head -c 1)
  start_recv >/dev/null
  source=in start_send
  both_exit 14
  one_error send.err "run 'head' on .*: exited with status 0 before it had taken every byte"
}

# Behind a consumer that takes nothing, the producer is looked after all the same.
test_producer_that_fails_while_nothing_moves() {
  consumer=(-- sh -c 'echo $$ >consumer.pid; exec sleep 1000')
  producer=(-- sh -c 'echo $$ >producer.pid; exec cat /dev/zero')
  start_recv
  start_send </dev/null
  await_bytes producer.pid 1
  pause 1
  both_alive
  kill -KILL "$(<producer.pid)"
  both_exit 14
  one_error recv.err "run 'sh' on $(hostname): was ended by SIGKILL"
}

# It has every byte, and need not see their end.
test_consumer_that_stops_at_the_last_byte() {
  echo -n 12345 >in
  consumer=(-- head -c 5)
  start_recv >out
  source=in start_send
  both_succeed 5
  same in out
}

# A producer in the background of its shell goes on writing: the end of its output is the end.
test_producer_that_leaves_one_behind() {
  producer=(-- sh -c '(sleep 0.5; echo late) & echo early')
  target=out start_recv
  start_send </dev/null
  both_succeed 11
  holds out $'early\nlate'
}

# The group of PID, whose leader is its guard.
group_of() { ps -o pgid= -p "$1" | tr -d ' '; }
await_gone() {  # PID
  local left=$((250 * scale))
  while runs "$1"; do
    ((left-- > 0)) || { kill -KILL "$1"; fail "a part of the command lives on"; }
    pause 0.02
  done
}

await_group_gone() {  # GROUP
  local left=$((250 * scale))
  while [[ -n $(ps -eo pgid=,stat= | awk -v group="$1" '$1 == group && $2 !~ /^Z/') ]]; do
    ((left-- > 0)) || fail "left of the group: $(ps -eo pgid,pid,stat,args | awk -v group="$1" '$1 == group')"
    pause 0.02
  done
}

# A transfer between commands that each have a child of their own; both wait for ever.
start_endless_pair() {
  consumer=(-- sh -c 'echo $$ >consumer.pid; (cat; touch ended) >part; touch ended')
  producer=(-- sh -c 'echo $$ >producer.pid; echo something; sleep 1000; :')
  start_recv
  start_send </dev/null
  await_bytes part 1
  await_bytes producer.pid 1
  consumer_group=$(group_of "$(<consumer.pid)")
  producer_group=$(group_of "$(<producer.pid)")
  [[ $consumer_group != "$(group_of "$receiver")" ]] || fail "the consumer has no group of its own"
}
end_of_endless_pair() {
  await_group_gone "$producer_group"
  await_group_gone "$consumer_group"
  absent ended
}

test_no_command_outlives_killed_tools() {
  start_endless_pair
  kill -KILL "$receiver" "$sender"
  end_of_endless_pair
}
test_no_command_outlives_a_killed_sender() {
  start_endless_pair
  kill -KILL "$sender"
  receiver_exits 12
  end_of_endless_pair
}
test_no_command_outlives_a_killed_receiver() {
  start_endless_pair
  kill -KILL "$receiver"
  sender_exits 10
  end_of_endless_pair
}
test_no_command_outlives_an_interrupted_sender() {
  start_endless_pair
  kill -TERM "$sender"
  both_exit 20
  end_of_endless_pair
}
test_no_command_outlives_an_interrupted_receiver() {
  start_endless_pair
  kill -INT "$receiver"
  both_exit 20
  end_of_endless_pair
}

# It has a second to clean up, and what it then says is heard.
test_producer_that_cleans_up() {
  producer=(-- sh -c 'trap "echo removed the snapshot >&2; rm snapshot; exit 1" TERM; : >snapshot; echo >ready
    while :; do sleep 0.1; done')
  target=out start_recv
  start_send </dev/null
  await_bytes ready 1
  kill -TERM "$sender"
  both_exit 20
  absent snapshot
  says send.err '^removed the snapshot$'
}

test_producer_that_heeds_no_signal_is_killed() {
  producer=(-- sh -c 'trap "" TERM INT HUP; echo $$ >producer.pid; while :; do sleep 1; done')
  target=out start_recv
  start_send </dev/null
  await_bytes producer.pid 1
  local group
  group=$(group_of "$(<producer.pid)")
  kill -TERM "$sender"
  both_exit 20
  await_group_gone "$group"
}

test_command_has_no_key_and_no_descriptors_of_ours() {
  local look='env; tr "\0" "\n" </proc/$PPID/cmdline; for fd in /proc/self/fd/*; do echo "$fd $(readlink "$fd")"; done'
  echo "$key" >key.txt
  chmod 600 key.txt
  local from
  for from in --key-fd=7 --key-file=/dev/fd/7 --key-file=key.txt; do
    target=out start_recv
    RDPIPE_KEY=$key start "$bin/rdsend" --fabric="$fabric" "$from" "$host" "$port" -- bash -c "$look" 7<key.txt 2>send.err
    sender=$!
    sender_exits 0
    receiver_exits 0
    ! grep "$key" out || fail "$from: the command has the key"
    ! grep -E '^/proc.*(infiniband|anon_inode|socket:|key.txt)' out || fail "$from: the command has descriptors of ours"
  done
}

# Its input is ours, and the signals that a shell's children have.
test_command_in_a_shell_pipe() {
  target=out start_recv
  producer=(-- sh -c 'cat; yes | head -n 1000 | tail -n 1')
  start_send < <(echo first)
  both_succeed 8
  holds out $'first\ny'
  [[ ! -s send.err ]] || [[ $(grep -vc '^rdsend: ' send.err) == 0 ]] || fail "something was said"
}

test_command_that_does_not_exist() {
  port=4711
  producer=(-- ./no-such-program)
  start_send </dev/null
  sender_exits 14
  one_error send.err "start './no-such-program': No such file"
  start "$bin/rdrecv" 0 "$key" -- no-such-program 2>recv.err
  receiver=$!
  receiver_exits 14
  one_error recv.err "start 'no-such-program'"
  says recv.err 'hint: is it installed'
}

test_command_line_with_commands() {
  local words
  for words in "h 1 $key --" "h 1 $key f -- true" "--direct=on h 1 $key -- true"; do
    # shellcheck disable=SC2086
    start "$bin/rdsend" $words 2>send.err
    sender=$!
    sender_exits 1
    one_error send.err "command"
  done
  for words in "--fsync 1 $key -- true" "--inplace 1 $key -- true" "-k --once 1 $key -- true"; do
    # shellcheck disable=SC2086
    start "$bin/rdrecv" $words 2>recv.err
    receiver=$!
    receiver_exits 1
  done
  # The first of two only ends the options.
  consumer=(-- cat)
  start_recv >out
  start "$bin/rdsend" --fabric="$fabric" -- "$host" "$port" "$key" -- echo --hello 2>send.err
  sender=$!
  both_succeed 8
  holds out --hello
}

# timeout(1) makes a group of its own.
test_consumer_in_another_group() {
  local killed
  make_gate
  make_data 300000 in
  for killed in sender receiver; do
    start_writer from produce_with_gap 200000
    consumer=(-- timeout 300 sh -c 'echo $$ >pid; cat >part; echo whole >end')
    start_recv
    start_send <from
    await_bytes part 200000
    kill -KILL "${!killed}"
    if [[ $killed == sender ]]; then receiver_exits 12; else sender_fails; fi
    await_gone "$(<pid)"
    [[ ! -e end ]] || fail "the consumer took a part for the whole"
    rm -f from part
  done
}

# It is asked to end, and asks what it has started.
test_producer_in_another_group() {
  target=out start_recv
  start "$bin/rdsend" --fabric="$fabric" "$host" "$port" "$key" \
    -- timeout 300 sh -c 'trap "echo asked >asked; exit" TERM; echo $$ >pid; while :; do sleep 0.05; done' 2>send.err
  sender=$!
  await_bytes pid 2
  kill -TERM "$sender"
  sender_exits 20
  receiver_fails
  holds asked asked
}

# A password: the terminal is lent to who asks for it.
test_command_that_asks_on_the_terminal() {
  type -P python3 >/dev/null || skip "python3 is not installed"
  target=out start_recv
  start python3 "$cases/../on-terminal" secret "$bin/rdsend" --fabric="$fabric" "$host" "$port" "$key" \
    -- sh -c 'stty -echo </dev/tty; printf "Password: " >/dev/tty; read -r word </dev/tty; echo "$word"' >send.out 2>send.err
  sender=$!
  both_succeed 7
  holds out secret
  says send.out 'Password:'
}

# A consumer that becomes root, of an rdrecv that is not; it has part of the stream.
start_consumer_of_root() {
  need_root
  local user=65534
  if findmnt -no OPTIONS -T . | grep nosuid; then skip "no set-user-ID programs here"; fi
  install -m 4755 "$(type -P setpriv)" become
  install -d -m 777 work
  make_gate
  make_data 300000 in
  start_writer from produce_with_gap 200000
  wrap=(setpriv --reuid "$user" --clear-groups)
  consumer=(-- ./become --reuid 0 --clear-groups sh -c 'echo $$ >work/pid; exec cat >work/part')
  start_recv
  wrap=()
  start_send <from
  await_bytes work/part 200000
  group=$(ps -o pgid= "$(<work/pid)")
}

# It waits on, until somebody ends it, and so does who holds its input.
has_met_no_end() {
  local left=100
  pause 1
  runs "$(<work/pid)" || fail "it has met an end"
  kill -KILL "$(<work/pid)"
  while pgrep -f "rdpipe-holder $((group)) " >/dev/null; do
    ((left-- > 0)) || fail "who holds its input has outlived it"
    pause 0.1
  done
}

# It cannot be killed: its input stays open, so that it does not take a cut stream for a whole one.
test_consumer_of_another_user() {
  start_consumer_of_root
  kill -KILL "$sender"
  receiver_exits 12
  says recv.err "^rdrecv: warning: './become', or what it has started, does not end"
  has_met_no_end
}

test_consumer_of_another_user_that_outlives_rdrecv() {
  start_consumer_of_root
  kill -KILL "$receiver"
  sender_fails
  has_met_no_end
}
