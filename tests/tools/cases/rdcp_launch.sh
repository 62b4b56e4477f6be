# shellcheck shell=bash
# Starting rdcp on other hosts: the words that arrive, the ways that the data takes, and what is said when it fails.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

# tcp only: no data moves
test_rdcp_words_of_the_remote_shell() {
  make_rsh
  echo hello >in
  copy=("$bin/rdcp" -e "./rsh -q 'two words'" --rdcp-path "'/no where/rdcp' --x='a b'")
  copies 127 in me@db2:/tmp/out
  diff words - <<'EOF'
-q
two words
-l
me
db2
'/no where/rdcp'
'--x=a b'
--peer
EOF
}

# tcp only: no data moves
test_rdcp_shell_of_the_environment() {
  make_rsh
  echo hello >in
  local shell
  for shell in RDCP_RSH RSYNC_RSH; do
    : >words
    copy=(env "$shell=./rsh $shell" "$bin/rdcp" --rdcp-path /nowhere)
    copies 127 in db2:out
    [[ $(head -n 1 words) == "$shell" ]] || fail "$shell is not used"
  done
  copy=(env RSYNC_RSH=false RDCP_RSH=false "$bin/rdcp" -e ./rsh --rdcp-path /nowhere)
  copies 127 in db2:out
}

# The key comes over standard input: no process shows it.
test_rdcp_key_is_nowhere_visible() {
  make_rsh
  make_data 100 in
  cat >spy <<EOF
#!/bin/bash
env >"$PWD/seen"
cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' '\n' >>"$PWD/seen"
exec "$bin/rdcp" "\$@"
EOF
  chmod +x spy
  copies 0 --rdcp-path "$PWD/spy" in db2:out
  ! grep -qE '[0-9a-f]{64}' seen || fail "a key is visible"
  same in home/out
}

# tcp only: no data moves
test_rdcp_smuggles_no_option() {
  make_rsh
  echo hello >in
  local target
  for target in -oProxyCommand=x:y me@-x:y -l@db2:y "a b:c" ":x" "me@db2::x" "::x"; do
    copies 1 -- in "$target"
    says copy.err '^rdcp: error: '
  done
  [[ ! -e words ]] || fail "a shell was started"
  echo hello >./-rf
  copies 0 -- -rf db2:-x
  same ./-rf home/-x
}

# limit 180
test_rdcp_names_reach_the_other_end_as_they_are() {
  make_rsh
  local name
  # shellcheck disable=SC2016  # not for this shell
  for name in 'a b' "it's" 'a"b' '$HOME' '`id`' $'a\nb' '*' $'\xff' '~' 'a\b' 'x;y'; do
    echo "$name" >in
    copies 0 in "db2:./$name"
    same in "home/$name"
    rm -f back
    copies 0 "db2:./$name" back
    same in back
  done
}

# tcp only: no data moves
test_rdcp_missing_there() {
  make_rsh
  echo hello >in
  copy=("$bin/rdcp" -e ./rsh --rdcp-path /nowhere/rdcp)
  copies 127 in db2:out
  says copy.err '^rdcp: error: start rdcp on db2: there is no rdcp'
  says copy.err '^rdcp: hint: .*--rdcp-path'
  says copy.err '^rdcp: db2: .*not found'
}

# tcp only: no data moves
test_rdcp_passes_the_shells_status_through() {
  echo hello >in
  copy=("$bin/rdcp" -e "sh -c 'echo no route to it >&2; exit 255'")
  copies 255 in db2:out
  says copy.err '^rdcp: db2: no route to it'
  says copy.err '^rdcp: error: start rdcp on db2: '
  copy=("$bin/rdcp" -e ./nowhere)
  copies 14 in db2:out
}

# tcp only: no data moves
test_rdcp_of_another_version() {
  echo hello >in
  copy=("$bin/rdcp" -e "sh -c 'echo RDPIPE READY 9 whatever'")
  copies 2 in db2:out
  says copy.err 'speaks launch protocol 9'
  says copy.err '^rdcp: hint: .*same version'
  copy=("$bin/rdcp" -e "sh -c 'echo This account is currently not available.'")
  copies 2 in db2:out
  says copy.err "it printed 'This account is currently not available.'"
}

test_rdcp_behind_a_login_shell_that_prints() {
  make_rsh $'Welcome!\nmail: you have none\nno newline here:'
  make_data 100000 in
  copies 0 in db2:out
  same in home/out
}

# tcp only: standard input of rdcp --peer
test_rdcp_peer_refuses_strangers() {
  local status=0
  echo "GET / HTTP/1.1" | "$bin/rdcp" --peer >out 2>err || status=$?
  ((status == 2)) || fail "status $status"
  status=0
  "$bin/rdcp" --peer >out 2>err </dev/null || status=$?
  ((status != 0)) || fail "no orders are fine"
}

test_rdcp_lines_of_the_other_end() {
  make_rsh
  echo hello >in
  # shellcheck disable=SC2016  # the remote shell's
  copies 0 --rdcp-path "sh -c 'printf \"one\ntwo\" >&2; exec \"\$0\" \"\$@\"' $bin/rdcp" in db2:out
  says copy.err '^rdcp: db2: one$'
  says copy.err '^rdcp: db2: two$'
}

# tcp only: no data moves
test_rdcp_refusal_of_the_other_end() {
  make_rsh
  choose_port
  echo hello >in
  start socat -u "TCP-LISTEN:$port,bind=0.0.0.0" /dev/null
  until [[ -n $(ss -Hltn "sport = :$port") ]]; do pause 0.02; done
  copies 10 --port "$port" -4 in db2:out
  says copy.err '^rdcp: error: on db2: listen on port .*: Address already in use'
}

# From now on nobody gets to the port on which HOST listens.
hide_port() {  # HOST
  local other='s|^RDPIPE READY 2 [0-9]*|RDPIPE READY 2 1|'
  # shellcheck disable=SC2016  # the remote shell's
  sed -i -e 's/^shift$/host=$1; shift/' \
    -e "s/ exec \(sh -c .*\)/ if [[ \$host == $1 ]]; then \1 | sed -u '$other'; else exec \1; fi/" rsh
}

test_rdcp_this_end_listens() {
  make_rsh
  make_data 100000 in
  copies 0 -v --listen=local in db2:out
  says copy.err 'this host listens'
  same in home/out
  copies 0 -v --listen=local db2:out back
  same in back
  hide_port localhost
  copies 0 -v in localhost:again
  says copy.err '^rdcp: this host listens: .*; localhost listens, but '
  same in home/again
}

test_rdcp_listens_within_a_range() {
  make_rsh
  make_data 100000 in
  choose_port
  copies 0 -v --port "$port-$((port + 20))" in db2:out
  says copy.err 'db2 listens'
  local used
  used=$(sed -n 's/.*db2 listens: .* to [^ ]*:\([0-9]*\).*/\1/p' copy.err)
  ((used >= port && used <= port + 20)) || fail "port $used"
}

test_rdcp_listens_at_an_address() {
  make_rsh
  make_data 100000 in
  copies 0 -v --address "$host" in db2:out
  says copy.err "db2 listens: .*$host:"
  same in home/out
  copies 0 -v --listen=local --address "$host" db2:out back
  says copy.err "this host listens: .*$host"
  same in back
}

# rdma only: where there is RDMA
test_rdcp_takes_rdma_by_itself() {
  make_rsh
  copy=("$bin/rdcp" -e ./rsh --rdcp-path "$bin/rdcp")
  make_data 1000000 in
  copies 0 -v in db2:out
  says copy.err 'RDMA \(.*\), '
  same in home/out
  copies 0 -v db2:out back
  says copy.err 'RDMA \(.*\), '
  same in back
  echo 2000000 >>"$run/moved"
}

# The other end is told to send one thing and sends another: nothing of it may come in.
test_rdcp_takes_only_what_it_asked_for() {
  need_python
  make_rsh
  mkdir -p home/good_ones home/evil_ones back
  echo evil | tee home/evil_ones/file home/evil >/dev/null
  echo good | tee home/good_ones/file home/good >/dev/null
  cat >twist <<'EOF'
import os
while words := os.read(0, 65536):
    os.write(1, words.replace(b"good", b"evil"))
EOF
  # shellcheck disable=SC2016  # for the script that it changes
  sed -i 's/exec sh -c/python3 -B "$OLDPWD\/twist" | &/' rsh
  local source
  for source in good good_ones; do
    copies 12 -r "db2:$source" back
    says copy.err 'asked for'
  done
  [[ -z $(ls -A back) ]] || { ls -AR back; fail "it came in"; }
}

# tcp only: it is TCP's last resort
test_rdcp_goes_through_the_shell_where_no_port_does() {
  make_rsh
  copy+=(--fabric=auto)
  make_data 3000000 in
  local listen
  for listen in auto local remote; do
    copies 0 -v --listen=$listen --address 255.255.255.255 in db2:out
    (($(grep -c 'the data goes through ssh' copy.err) == 1)) || { show copy.err; fail "not said once"; }
    says copy.err 'TCP \(ssh\), sealed'
    same in home/out
    rm home/out
  done
  copies 0 --address 255.255.255.255 db2:../in back
  same in back
}

# tcp only: it is TCP's last resort
test_rdcp_behind_a_firewall_that_drops() {
  unshare --net true 2>/dev/null || skip "may not make a network namespace here"
  make_rsh
  make_data 3000000 in
  # What the listener answers goes nowhere, without a word.
  cat >walled <<'EOF'
#!/bin/bash
ip link set lo up && ip rule add pref 10 lookup local && ip rule delete pref 0 || exit 77
ip rule add pref 5 ipproto tcp sport 4711 blackhole || exit 77
exec "$@"
EOF
  chmod +x walled
  local rdcp=("${copy[@]}" --fabric=auto --address 127.0.0.1 --port 4711) began=$SECONDS
  copy=(unshare --net ./walled)
  "${copy[@]}" true 2>rules.err || skip "no rules for ports here: $(head -n 1 rules.err)"
  copy+=("${rdcp[@]}")
  copies 0 -v in db2:out
  says copy.err 'no answer'
  says copy.err 'this host cannot listen on port 4711: Address already in use'
  says copy.err 'the data goes through ssh'
  same in home/out
  ((SECONDS - began < 60)) || fail "it took $((SECONDS - began)) s"
}

# tcp only: RDMA is asked for
test_rdcp_without_the_rdma_that_was_asked_for() {
  make_rsh
  [[ ! -d /sys/class/infiniband || -z $(ls /sys/class/infiniband) ]] || skip "this host has RDMA"
  echo hello >in
  copies 3 --fabric=rdma in db2:out
  says copy.err '^rdcp: error: .*RDMA'
  absent home/out
}

test_rdcp_no_such_device() {
  make_rsh
  echo hello >in
  copy+=(--fabric=rdma --device no_such_device0)
  copies 3 in db2:out
  says copy.err '^rdcp: error: .*device'
  copies 3 db2:out in
  absent home/out
}

test_rdcp_between_two_hosts() {
  make_rsh
  make_tree home/tree
  copies 0 -rv h1:tree h2:copy
  same_tree home/tree home/copy
  says copy.err 'h2 listens, h1 connects'
  hide_port h2
  copies 0 -rv h1:tree h2:again
  same_tree home/tree home/again
  says copy.err 'h1 listens, h2 connects: .*; h2 listens, h1 cannot connect: '
}

# tcp only: it is TCP's last resort
test_rdcp_between_two_hosts_through_this_one() {
  make_rsh
  copy+=(--fabric=auto)
  make_tree home/tree
  copies 0 -r --address 255.255.255.255 h1:tree h2:copy
  same_tree home/tree home/copy
  says copy.err 'the data goes through this host'
}

# tcp only: a terminal for the shell
test_rdcp_leaves_the_terminal_to_the_shell() {
  type -P script >/dev/null || skip "no script(1) here"
  make_rsh
  cat >asking <<EOF
#!/bin/bash
printf 'Password: ' >/dev/tty
read -r -s word </dev/tty
[[ \$word == open-sesame ]] || exit 255
exec ./rsh "\$@"
EOF
  chmod +x asking
  echo hello >in
  printf '%q ' "$bin/rdcp" -e ./asking --rdcp-path "$bin/rdcp" in db2:out >ask-and-copy
  (pause 0.5; echo open-sesame; pause 2) | timeout 30 script -qec "sh ask-and-copy" /dev/null >typescript 2>&1 || {
    show typescript
    fail "it did not ask, or did not hear"
  }
  same in home/out
}
