# shellcheck shell=bash
# Who may send: the key and the ways to give it.

test_wrong_key() {
  echo hello >in
  target=out start_recv
  key=ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff source=in start_send
  sender_exits 5
  one_error send.err "key"
  await_line recv.err "wrong key"
  absent out
  no_temporaries
  source=in start_send
  both_succeed 6
  same in out
}

test_wrong_passphrase() {
  key='correct horse battery' target=out start_recv
  key='correct horse batterz' source=/dev/null start_send
  sender_exits 5
  one_error send.err "key"
}

test_passphrase() {
  echo hello >in
  key='correct horse battery'
  target=out start_recv
  source=in start_send
  both_succeed 6
  same in out
}

test_short_passphrase_is_warned_of() {
  key=short target=out start_recv
  says recv.err "short|guess"
  key=short source=/dev/null start_send
  both_succeed 0
}

test_mistyped_keys_are_warned_of() {
  local right=$key
  for key in "${right}0" "${right%?}"; do
    target=out start_recv
    says recv.err "warning: the key has ${#key} hexadecimal digits, not 64"
    source=/dev/null start_send -q
    both_succeed 0
    [[ ! -s send.err ]] || fail "rdsend -q warns"
  done
  key=$right$'\r' target=out start_recv
  says recv.err "warning: the key ends in a carriage return"
  [[ $(grep -c warning recv.err) == 1 ]] || fail "not one warning"
}

# The tools without KEY among the arguments.
recv_without_key() {  # [OPTION...]
  start "$bin/rdrecv" --fabric="$fabric" "$@" </dev/null 2>recv.err
  receiver=$!
  await_listening "$receiver"
}
send_without_key() {  # ARGUMENT...
  start "$bin/rdsend" --fabric="$fabric" "$@" </dev/null 2>send.err
  sender=$!
}

test_key_file() {
  echo hello >in
  echo "$key" >secret
  chmod 600 secret
  recv_without_key --key-file secret 0 out
  send_without_key --key-file secret "$host" "$port" in
  both_succeed 6
  same in out
}

test_key_fd_that_is_not_open() {
  local descriptor status
  for descriptor in 3 4 77; do
    status=0
    timeout 10 "$bin/rdsend" --key-fd "$descriptor" "$host" 4711 </dev/null 2>send.err 3>&- 4>&- || status=$?
    ((status == 5)) || fail "--key-fd $descriptor: status $status, not 5"
    one_error send.err "descriptor $descriptor: Bad file descriptor"
  done
}

test_key_fd() {
  echo hello >in
  echo "$key" >secret
  recv_without_key --key-fd 5 0 out 5<secret
  send_without_key --key-fd 5 "$host" "$port" in 5<secret
  both_succeed 6
  same in out
}

test_key_from_the_environment() {
  echo hello >in
  export RDPIPE_KEY=$key
  recv_without_key 0 - out
  send_without_key "$host" "$port" - in
  both_succeed 6
  same in out
}

# Typed at the terminal, and not shown there.
test_key_from_a_prompt() {
  type -P script >/dev/null || skip "no script(1) here"
  echo hello >in
  target=out start_recv
  printf '%q ' env -u RDPIPE_KEY "$bin/rdsend" --fabric="$fabric" "$host" "$port" - in >asked
  echo '2>send.err' >>asked
  mkfifo keyboard
  exec {keyboard}<>keyboard
  start script -qefc "sh asked" typescript >/dev/null <&"$keyboard"
  sender=$!
  await_line typescript "key"
  echo "$key" >&"$keyboard"
  both_succeed 6
  same in out
  ! grep -aqF "$key" typescript || fail "the key is shown"
}

test_key_file_that_is_a_fifo() {
  echo hello >in
  mkfifo secret
  target=out start_recv
  send_without_key --key-file secret "$host" "$port" in
  echo "$key" >secret
  both_succeed 6
  same in out
}

test_signal_while_a_fifo_gives_no_key() {
  mkfifo secret
  send_without_key --key-file secret "$host" 4711
  until readlink "/proc/$sender/fd/"* | grep -q '/secret$'; do pause 0.02; runs "$sender" || fail "rdsend has ended"; done
  kill -INT "$sender"
  sender_exits 20
  one_error send.err "SIGINT"
}

test_missing_key_file() {
  send_without_key --key-file nowhere "$host" 4711
  sender_exits 5
  one_error send.err "nowhere.*No such file"
}

test_generated_key_works() {
  echo hello >in
  key=$("$bin/rdrecv" --generate-key)
  [[ $key =~ ^[0-9a-f]{64}$ ]] || fail "generated '$key'"
  [[ $key != $("$bin/rdsend" --generate-key) ]] || fail "two generated keys are the same"
  target=out start_recv
  source=in start_send
  both_succeed 6
}

test_key_is_not_in_the_process_list() {
  start_recv >out
  ! tr '\0' ' ' <"/proc/$receiver/cmdline" | grep -F "$key" || fail "rdrecv shows its key"
  make_gate
  echo hello >in
  start_writer from produce_with_gap 2
  start_send <from
  await_bytes out 1
  ! tr '\0' ' ' <"/proc/$sender/cmdline" | grep -F "$key" || fail "rdsend shows its key"
  open_gate
  both_succeed 6
}

# While the data moves, neither end knows the key any more: neither as it was given nor as bytes.
test_key_is_not_in_memory() {
  type -P python3 >/dev/null || skip "python3 is not installed"
  key=$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')
  make_gate
  echo hello >in
  start_writer from produce_with_gap 2
  start_reader to tee out >/dev/null
  start_recv >to
  start_send <from
  await_bytes out 2
  python3 - "$key" "$sender" "$receiver" <<'END' || { status=$?; ((status != 77)) || skip "may not read memory"; fail "it is"; }
import sys
found = 0
for pid in sys.argv[2:]:
    try:
        memory = open(f"/proc/{pid}/mem", "rb")
    except OSError:
        sys.exit(77)
    for line in open(f"/proc/{pid}/maps"):
        span, rights = line.split()[:2]
        begin, end = (int(bound, 16) for bound in span.split("-"))
        if not rights.startswith("rw"):
            continue
        memory.seek(begin)
        try:
            content = memory.read(end - begin)
        except OSError:
            continue
        for what, bytes_of_it in ("text", sys.argv[1].encode()), ("bytes", bytes.fromhex(sys.argv[1])):
            if bytes_of_it in content:
                found = 1
                print("process", pid, "has its", what, "in", line.strip())
sys.exit(found)
END
  open_gate
  both_succeed 6
}

# What a relay between the two sees. Its port is in relay_port.
start_relay() {
  type -P socat >/dev/null || skip "socat is not installed"
  local real=$port
  choose_port
  socat -r seen "TCP-LISTEN:$port,bind=$host,reuseaddr" "TCP:$host:$real" &
  started+=($!)
  until [[ -n $(ss -Hltn "sport = :$port") ]]; do pause 0.02; done
}

# tcp only: the relay speaks TCP
test_encrypt_seals_the_data() {
  head -c 300000 <(yes 'the text that nobody may read') >in
  target=out start_recv
  start_relay
  source=in start_send --encrypt
  both_succeed 300000
  same in out
  ! grep -qa 'nobody may read' seen || fail "the data crossed in the clear"
}

# tcp only: the relay speaks TCP
test_no_encrypt_leaves_the_data_readable() {
  head -c 300000 <(yes 'the text that anybody may read') >in
  target=out start_recv
  start_relay
  source=in start_send --no-encrypt
  both_succeed 300000
  grep -qa 'anybody may read' seen || fail "the relay saw no data"
}

test_encrypted_transfer() {
  make_data 3000001 in
  target=out start_recv --encrypt
  source=in start_send
  both_succeed 3000001
  same in out
  target=out start_recv
  source=in start_send --encrypt -v
  both_succeed 3000001
  says send.err ", sealed"
}

test_encrypt_against_no_encrypt() {
  target=out start_recv --no-encrypt
  source=/dev/null start_send --encrypt
  both_exit 1
  one_error send.err encrypt
  one_error recv.err encrypt
  absent out
}
