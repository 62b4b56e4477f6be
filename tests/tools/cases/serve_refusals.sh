# shellcheck shell=bash
# shellcheck disable=SC2119  # stop_server without arguments
# rdcp --serve and its clients: what they refuse, each with one line, and what they warn of.
# shellcheck disable=SC2154  # lib.sh's variables
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/serve.bash
source "$cases/../serve.bash"

# rdcp WORD... ends with STATUS and one error line, which matches REGEX.
refuses() {  # STATUS REGEX WORD...
  copies "$1" "${@:3}"
  (($(grep -c '^rdcp: error: ' copy.err) == 1)) || { show copy.err; fail "rdcp ${*:3}: not one error line"; }
  grep -qE -- "^rdcp: error: .*$2" copy.err || { show copy.err; fail "rdcp ${*:3} does not say: $2"; }
}

# tcp only: no data moves
test_serve_refuses_options_of_the_shell() {
  echo data >a
  copy=("$bin/rdcp" --insecure-no-key)
  local option
  for option in --rsh=ssh --rdcp-path=rdcp --ssh-option=Port=1 --ssh-config=a --jump=gate --listen=remote; do
    refuses 1 "option ${option%%=*}: .*no shell" "$option" a "$host::b"
    refuses 1 "option ${option%%=*}: .*no shell" "$option" "rdcp://$host:1/b" b
  done
  refuses 1 'option --rsh: ' -e ssh a "$host::b"
  copy=("$bin/rdcp")
  for option in --key-file=a --key-fd=0 --insecure-no-key --wait; do
    refuses 1 "option ${option%%=*}: " "$option" a b
    refuses 1 "option ${option%%=*}: " -e false "$option" a "$host:b"
  done
  absent b
}

# tcp only: no data moves
test_serve_refuses_a_port_between_colons() {
  echo data >a
  copy=("$bin/rdcp" --insecure-no-key -e false)
  refuses 1 "'$host:7471::b': a port is not written like this" a "$host:7471::b"
  says copy.err "hint: .*rdcp://$host:7471/b, or --port=7471; .* $host:./7471::b"
}

# Neither ten seconds for who speaks another protocol, nor an option that rdcp does not have.
test_serve_something_else_answers() {
  echo data >a
  local kind
  copy=("$bin/rdcp" --insecure-no-key --fabric="$fabric")
  for kind in text noise framed-noise; do
    start_attacker listen "$host" "$kind"
    refuses 2 'what answers there is not rdpipe' a "rdcp://$host:$port/a"
  done
  start_attacker listen "$host" hang-up
  refuses 10 'closed the connection before the handshake' a "rdcp://$host:$port/a"
  says copy.err 'hint: is rdcp --serve running there'
  start_attacker listen "$host" silence
  refuses 35 'did not finish the handshake in time' a "rdcp://$host:$port/a"
  says copy.err 'hint: .*another program may listen there'
  ! grep -q -- '--connect-timeout' copy.err || fail "the hint names an option that there is not"
}

# tcp only: no data moves
test_serve_refuses_a_user_that_is_none() {
  make_keys det1
  mkdir served
  copy=("$bin/rdcp" --serve --fabric=tcp --key-file keys --port 0)
  refuses 1 "become user 'no-such-user': no such user" --user no-such-user served
  refuses 1 "become user 'root:no-such-group': no such group" --user root:no-such-group served
}

# tcp only: no data moves
test_serve_refuses_keys_that_others_may_read() {
  make_keys det1
  mkdir served
  copy=("$bin/rdcp" --serve --fabric=tcp --key-file keys --port 0)
  local mode
  for mode in 604 602 620; do
    chmod "$mode" keys
    refuses 5 "permissions 0$mode: (others|its group) may (read|write) it" served
    says copy.err "hint: chmod 600 'keys'"
  done
}

# A client's key is as secret as the server's.
test_serve_client_keeps_its_key_private() {
  make_keys det1
  start_server
  echo data >a
  echo "${keys[det1]}" >key
  copy=("$bin/rdcp" --fabric="$fabric" --port "$port" --key-file)
  chmod 644 key
  refuses 5 'permissions 0644: others may read it' key a "$host::a"
  says copy.err "hint: chmod 600 'key'"
  absent served/a
  chmod 640 key
  copies 0 key a "$host::a"
  copies 0 <(cat key) a "$host::b"
  same a served/a
  same a served/b
}

# Better known when it starts than at the first SIGHUP.
test_serve_user_that_cannot_read_the_keys() {
  need_root
  make_keys det1
  mkdir served
  chown nobody: served
  chmod 711 .
  start_server --user nobody
  await_line serve.err "SIGHUP will not read the keys again: open 'keys': Permission denied"
  echo data >a
  as_client det1
  copies 0 a "$host::a"
  kill -HUP "$server"
  await_line serve.err 'the old keys stay: .*Permission denied'
  copies 0 a "$host::b"
  stop_server
  chown nobody: keys
  start_server --user nobody
  kill -HUP "$server"
  await_line serve.err 'was read again'
  ! grep -q 'SIGHUP' serve.err || fail "it doubts what it can"
}
