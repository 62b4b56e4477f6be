# shellcheck shell=bash
# What mbuffer's users type, word for word, but for the program's name and a key.

# shellcheck source=tests/tools/recipes.bash
source "$cases/../recipes.bash"

# Words of a receiver and of a sender, behind -I PORT and before -O HOST:PORT.
lines=(
  '-s 128k -m 1G|-s 128k -m 1G'
  '-q -s 128k -m 16M|-q -s 128k -m 16M'
  '-4 -s 1M -m 10%|-4 -s 65536 -m 64m'
  '-m 8M -p 50|-m 4M -P 90 -R 100M'
  '-q -l log -W 30 -s 128K -m 20%|-q -l log2 -W 30 -m 1.5M -r 50M'
)

# An rdrecv -I with these words, from the environment's key unless these say otherwise.
recv_like_mbuffer() {  # WORD...
  : >recv.err
  choose_port
  start env RDPIPE_KEY="$key" "$bin/rdrecv" --fabric="$fabric" -I "$port" "$@" -v </dev/null 2>recv.err
  receiver=$!
  await_listening "$receiver"
}
send_like_mbuffer() {  # WORD...
  start env RDPIPE_KEY="$key" "$bin/rdsend" --fabric="$fabric" "$@" -O "$host:$port" 2>send.err
  sender=$!
}

test_mbuffer_lines() {
  local line
  make_data 3000001 in
  for line in "${lines[@]}"; do
    echo "$line"
    # shellcheck disable=SC2086  # words
    recv_like_mbuffer ${line%|*} >out
    # shellcheck disable=SC2086
    send_like_mbuffer ${line#*|} <in
    both_succeed 3000001
    same in out
  done
  says log 'rdrecv: .*Bandwidth'
  says log2 'rdsend: .*Bandwidth'
}

# They are mbuffer's: the same words do the same with it.
# tcp only: mbuffer has no RDMA
test_mbuffer_lines_with_mbuffer() {
  type -P mbuffer >/dev/null || skip "mbuffer is not installed"
  local line left
  make_data 3000001 in
  for line in "${lines[@]}"; do
    echo "$line"
    choose_port
    # shellcheck disable=SC2086  # words
    start mbuffer -I "$port" ${line%|*} </dev/null >out 2>recv.err
    receiver=$!
    left=$((500 * scale))
    until [[ -n $(ss -Hltn "sport = :$port") ]]; do
      ((left-- > 0)) || fail "mbuffer does not listen"
      pause 0.02
    done
    # shellcheck disable=SC2086
    start mbuffer ${line#*|} -O "$host:$port" <in 2>send.err
    sender=$!
    sender_exits 0
    receiver_exits 0
    same in out
  done
}

# The lines of the manual.
test_mbuffer_in_pipes() {
  mkdir -p srv/www backup
  make_data 1000001 srv/www/page
  export RDPIPE_KEY=$key
  start_recipe mbuffer
  recipe_succeeds
  diff -r srv/www backup/www || fail "the trees differ"
}

test_mbuffer_without_a_key() {
  local status
  for words in "rdsend -O $host:4711" "rdrecv -I 0" "rdsend -O $host:4711 -- true"; do
    status=0
    # shellcheck disable=SC2086  # words
    env -u RDPIPE_KEY timeout 10 "$bin"/$words </dev/null 2>refusal || status=$?
    ((status == 5)) || fail "$words: status $status, not 5"
    says refusal '^rd(send|recv): error: find the key: RDPIPE_KEY is not set'
    says refusal '^rd(send|recv): hint: set RDPIPE_KEY, or use --key-file'
  done
}

test_mbuffer_key_by_file_and_by_operand() {
  make_data 100001 in
  (umask 077; echo "$key" >secret)
  choose_port
  start "$bin/rdrecv" --fabric="$fabric" -v --key-file secret -I "$port" out </dev/null 2>recv.err
  receiver=$!
  await_listening "$receiver"
  start "$bin/rdsend" --fabric="$fabric" -O "$host:$port" "$key" in </dev/null 2>send.err
  sender=$!
  both_succeed 100001
  same in out
}

# KEY alone, and KEY with a command.
test_mbuffer_key_alone() {
  make_data 100001 in
  choose_port
  start env -u RDPIPE_KEY "$bin/rdrecv" --fabric="$fabric" -v -I "$port" "$key" -- tee out </dev/null >copy 2>recv.err
  receiver=$!
  await_listening "$receiver"
  start env -u RDPIPE_KEY "$bin/rdsend" --fabric="$fabric" -O "$host:$port" "$key" <in 2>send.err
  sender=$!
  both_succeed 100001
  same in out
  same in copy
}

# What may be a passphrase is shown to nobody, and becomes the name of nothing.
test_mbuffer_operand_that_may_be_either() {
  local words
  for words in "rdsend -O $host:4711 open-sesame" "rdrecv -I 0 open-sesame" "rdrecv -I 0 a b open-sesame"; do
    # shellcheck disable=SC2086  # words
    if RDPIPE_KEY=$key timeout 10 "$bin"/$words </dev/null 2>refusal; then fail "$words: accepted"; fi
    ! grep -q sesame refusal || fail "$words: is shown"
    says refusal 'hint: '
    absent open-sesame
  done
  : >disk.img
  if env -u RDPIPE_KEY timeout 10 "$bin/rdsend" -O "$host:4711" disk.img </dev/null 2>refusal; then fail "a file is a key"; fi
  says refusal 'error: find the key: .*the name of a file'
  start env -u RDPIPE_KEY "$bin/rdrecv" --fabric="$fabric" -I 0 new.img </dev/null >/dev/null 2>recv.err
  await_line recv.err 'taken for KEY: -o names a FILE'
  absent new.img
}

test_mbuffer_files() {
  make_data 100001 in
  recv_like_mbuffer -o out
  send_like_mbuffer -i in </dev/null
  both_succeed 100001
  same in out
  local status=0
  RDPIPE_KEY=$key timeout 10 "$bin/rdrecv" -I 0 -o out </dev/null 2>recv.err || status=$?
  ((status == 3)) || fail "an existing file: status $status, not 3"
  says recv.err "store 'out': File exists"
  says recv.err 'hint: -f '
  make_data 50000 in
  recv_like_mbuffer -f -o out
  send_like_mbuffer -i - <in
  both_succeed 50000
  same in out
}

# It comes to be there while the stream is under way.
test_mbuffer_file_that_appears() {
  make_gate
  echo hello >in
  start_writer from produce_with_gap 2
  recv_like_mbuffer -o out
  send_like_mbuffer <from
  until [[ -n $(find . -name '.out.rdpipe-*') ]]; do pause 0.02; both_alive; done
  echo other >out
  open_gate
  both_exit 11
  holds out other
}

test_mbuffer_file_that_appears_in_its_place() {
  echo hello >in
  recv_like_mbuffer -o out --inplace
  echo other >out
  send_like_mbuffer <in
  both_exit 11
  holds out other
}

test_mbuffer_over_ipv6() {
  [[ -n $host6 ]] || skip "no IPv6 address known for the device"
  [[ -e /proc/net/if_inet6 ]] || skip "no IPv6 on this host"
  make_data 100001 in
  recv_like_mbuffer -6 >out
  start env RDPIPE_KEY="$key" "$bin/rdsend" --fabric="$fabric" -O "[$host6]:$port" <in 2>send.err
  sender=$!
  both_succeed 100001
  same in out
}

# Before anybody has come it has nothing to watch.
test_mbuffer_watchdog() {
  recv_like_mbuffer -W 1 >out
  pause 1.5
  runs "$receiver" || fail "rdrecv did not wait"
  make_gate
  echo hello >in
  start_writer from produce_with_gap 2
  send_like_mbuffer <from
  both_exit 30
}

test_mbuffer_options_that_are_not_ours() {
  local words
  for words in "rdsend -I 1" "rdrecv -O a:1" "rdrecv -I db1:9090" "rdsend -b 1024 -O a:1" "rdrecv -I 1 -H" \
    "rdrecv -I 1 -v 4 $key" "rdsend -O ::1:9090"; do
    local status=0
    # shellcheck disable=SC2086  # words
    RDPIPE_KEY=$key timeout 10 "$bin"/$words </dev/null 2>refusal || status=$?
    ((status == 1)) || { cat refusal; fail "$words: status $status, not 1"; }
    says refusal '^rd(send|recv): hint: '
  done
}
