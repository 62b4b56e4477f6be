# shellcheck shell=bash
# shellcheck disable=SC2119  # stop_server without arguments
# rdcp --serve: what clients put there and take from there, who may, and where it ends.
# shellcheck disable=SC2154  # lib.sh's variables
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/serve.bash
source "$cases/../serve.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

test_serve_push_and_pull() {
  make_tree src
  make_keys det1
  start_server
  as_client det1
  copies 0 -a src "$host::"
  same_tree src served/src
  copies 0 -a --stats "src/" "rdcp://$host:$port/src/"
  says copy.out 'Regular files transferred: 0'
  copies 0 -a "$host::src" back
  same_tree src back
  copies 0 "rdcp://$host:$port/src/sub/two" "$host::src/one" .
  same src/sub/two two
  same src/one one
  copies 0 "$host::src/sub/t*" pulled
  same src/sub/two pulled
  count_bytes 900000
  stop_server
  says serve.err "\(det1\) wrote '.': 4 files, [0-9]+ bytes in .*: ok"
  says serve.err "\(det1\) read 'src': 4 files, .*: ok"
  no_temporaries
}

test_serve_both_log_formats_and_the_status() {
  type -P jq >/dev/null || skip "jq is not installed"
  make_keys det1
  make_data 200000 a
  start_server --log-format=json --status-file status.json
  as_client det1
  copies 0 -n a "$host::a"$'\n"b"'
  [[ -z $(ls served) ]] || fail "a dry run left $(ls served)"
  copies 0 a "$host::a"$'\n"b"'
  copies 23 "$host::missing/" "$host::gone" .
  await_line status.json '"state": *"running".*"transfers": *3'
  kill -USR1 "$server"
  await_line serve.err 'over 10 s'
  stop_server
  # A client may have ended before its line is written: the order is not theirs.
  jq -es 'map(select(.event == "transfer")) | length == 3 and (map(select(.dry_run)) | length == 1 and
    .[0].bytes == 0 and .[0].status == 0) and
    (map(select(.operation == "read")) | .[0].status == 23 and .[0].path == "missing/" and .[0].paths == 2) and
    (map(select(.operation == "write" and (.dry_run | not))) | .[0].client != "" and .[0].key == "det1" and
    .[0].path == "a\n\"b\"" and .[0].paths == 1 and .[0].files == 1 and .[0].bytes == 200000 and .[0].status == 0 and
    .[0].result == "ok")' serve.err >/dev/null || { show serve.err; fail "the log is not as it should be"; }
  jq -e '.state == "stopped" and .transfers == 3 and .failures == 1 and .bytes == 200000 and .clients == 0 and .rate_10s > 0 and .rate_5min > 0' status.json \
    >/dev/null || { show status.json; fail "the status is not as it should be"; }
}

test_serve_keys_that_may_not() {
  make_tree src
  mkdir -p served/in served/out
  cp -a src served/out/
  make_keys "w dir=in write" "r dir=out read" both
  start_server
  as_client w
  copies 0 -a src "$host::"
  same_tree src served/in/src
  copies 3 -a "$host::src" back
  says copy.err "key 'w' may not"
  absent back
  as_client r
  copies 0 -a "$host::src" back
  same_tree src back
  copies 3 -a src "$host::new"
  says copy.err "key 'r' may not"
  absent served/out/new
  as_client both
  copies 0 -a src/one "$host::out/new"
  same src/one served/out/new
  stop_server
  start_server --read-only
  as_client both
  copies 3 src/one "$host::out/newer"
  copies 0 "$host::out/new" taken
  stop_server
  start_server --write-only
  as_client both
  copies 0 src/one "$host::out/newer"
  copies 3 "$host::out/new" taken-again
  absent taken-again
}

test_serve_wrong_keys_and_strangers() {
  make_keys det1
  start_server
  keys[stranger]=$("$bin/rdcp" --generate-key)
  echo data >a
  as_client stranger
  copies 5 a "$host::a"
  says copy.err 'wrong key'
  says serve.err 'turned away .*: wrong key'
  absent served/a
  local status=0
  "$bin/rdsend" --fabric="$fabric" "$host" "$port" "${keys[det1]}" <a 2>send.err || status=$?
  ((status == 2)) || fail "rdsend to a server: $status"
  one_error send.err 'server of trees'
  as_client det1
  copies 0 a "$host::a"
  holds served/a data
}

# After a burst of wrong keys each more has to wait until one is forgotten; with the right one the same address gets in.
test_serve_rate_limits_wrong_keys() {
  make_keys det1
  start_server
  keys[stranger]=$("$bin/rdcp" --generate-key)
  echo data >a
  local i began=$EPOCHREALTIME
  as_client stranger
  for i in {1..15}; do copies 5 a "$host::a"; done
  # Ten at once, then two a second; however slow this host is.
  awk "BEGIN {exit !($EPOCHREALTIME - $began >= 1.5)}" || fail "15 wrong keys took no time"
  as_client det1
  copies 0 a "$host::a"
  holds served/a data
}

test_serve_no_way_out() {
  make_keys "det1 dir=in"
  mkdir -p served/in/dir served/other outside
  echo secret >outside/secret
  echo other >served/other/file
  ln -s ../../outside served/in/out
  ln -s "$PWD/outside" served/in/dir/absolute
  ln -s ../../outside/secret served/in/leaf
  ln -s ../other served/in/sibling
  make_tree src
  start_server
  as_client det1
  local path before after
  before=$(find outside served/other -printf '%p %T@ %s\n' | sort)
  for path in .. ../other ../../outside ../../outside/secret ../../../etc/x /../new dir/../../new out out/ out/x \
    dir/absolute dir/absolute/x leaf/ sibling/ sibling/file dir/../../../outside/x; do
    status=0
    timeout 60 "${copy[@]}" -a --mkpath src "$host::$path" >copy.out 2>copy.err || status=$?
    ((status != 0)) || fail "written to $path"
    (($(grep -c 'error: ' copy.err) == 1)) || { show copy.err; fail "not one error line for $path"; }
    status=0
    timeout 60 "${copy[@]}" -a "$host::$path" taken >copy.out 2>copy.err || status=$?
    # A symlink itself may be read.
    [[ $status != 0 || -L taken ]] || fail "read from $path"
    rm -rf taken
  done
  copies 1 -aL "$host::out" taken
  printf '%s\n' out/secret dir/absolute/secret sibling/file >list
  copies 23 -a --files-from=list "$host::" taken
  [[ -z $(find taken -type f) ]] || fail "listed: $(find taken -type f)"
  rm -rf taken
  copies 3 -a src/one "$host::leaf"
  after=$(find outside served/other -printf '%p %T@ %s\n' | sort)
  [[ $before == "$after" ]] || { diff <(echo "$before") <(echo "$after"); fail "something outside was touched"; }
  for path in ../../outside /../outside out dir/absolute; do
    "${copy[@]}" -aI --backup-dir="$path" src/ "$host::backed/" >copy.out 2>copy.err || true
    "${copy[@]}" -aI --partial-dir="$path" src/ "$host::backed/" >copy.out 2>copy.err || true
  done
  after=$(find outside served/other -printf '%p %T@ %s\n' | sort)
  [[ $before == "$after" ]] || { diff <(echo "$before") <(echo "$after"); fail "something outside was touched"; }
}

# A local user who swaps a directory that is written to for a symlink, again and again.
test_serve_symlink_swapped_in() {
  make_keys det1
  mkdir -p outside served/dst src
  echo secret >outside/secret
  local i
  for i in {1..300}; do echo "$i" >"src/file$i"; done
  start_server
  ln -s ../outside served/link
  need_python
  python3 - served/dst served/link swaps <<'END' &
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
EXCHANGE, HERE = 2, -100
swaps = 0
while not os.path.exists("stop"):
    done = libc.renameat2(HERE, sys.argv[1].encode(), HERE, sys.argv[2].encode(), EXCHANGE)
    if done != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    swaps += 1
    if swaps % 100 == 0:
        with open(sys.argv[3], "a") as file:
            file.write(".")
END
  local swapper=$! round written=0 before
  started+=("$swapper")
  await_line swaps .
  as_client det1
  for round in {1..8}; do
    before=$(stat -c %s swaps)
    status=0
    timeout 60 "${copy[@]}" -aI src/ "$host::dst/" >copy.out 2>copy.err || status=$?
    ! grep -q ' (det1) wrote .* [1-9][0-9]* files' serve.err || written=1
    await_more_swaps "$before"
  done
  touch stop
  ends_with "$swapper" 0
  ((written == 1)) || { show serve.err; fail "nothing was written in any round"; }
  [[ $(ls outside) == secret ]] || fail "outside has $(ls outside)"
  holds outside/secret secret
  runs "$server" || fail "the server has ended"
}

await_more_swaps() {  # BEFORE: hundreds of them
  local left=$((750 * scale))
  until (($(stat -c %s swaps) > $1)); do
    ((left-- > 0)) || fail "nothing is swapped any more"
    pause 0.01
  done
}

test_serve_special_bits_devices_owners() {
  need_root
  make_keys det1
  mkdir src
  echo program >src/program
  chown 1234:1234 src/program
  chmod 6755 src/program
  chmod 2775 src
  start_server
  as_client det1
  copies 0 -a src "$host::"
  [[ $(stat -c '%a %u' served/src/program) == "755 0" ]] || fail "arrived as $(stat -c '%a %u' served/src/program)"
  [[ $(stat -c %a served/src) == 775 ]] || fail "arrived as $(stat -c '%a' served/src)"
  mknod src/null c 1 3 || skip "may not make devices here"
  copies 23 -a src "$host::"
  says copy.err "null.*not permitted"
  absent served/src/null
  stop_server
  start_server --allow owners --allow devices --allow special-bits
  as_client det1
  copies 0 -aI src "$host::"
  [[ $(stat -c '%a %u' served/src/program) == "6755 1234" ]] || fail "arrived as $(stat -c '%a %u' served/src/program)"
  [[ -c served/src/null ]] || fail "no device"
}

# The umask is the server's, also behind the kernel's wall.
test_serve_keeps_its_umask() {
  make_keys det1
  mkdir src
  echo data >src/a
  chmod 666 src/a
  chmod 777 src
  umask 037
  start_server
  umask 022
  as_client det1
  copies 0 -r src "$host::"
  [[ $(stat -c %a served/src/a) == 640 && $(stat -c %a served/src) == 740 ]] ||
    fail "modes $(stat -c %a served/src/a) and $(stat -c %a served/src)"
}

# Whatever the client asks for: another who may not enter would be locked out.
test_serve_leaves_its_directory_as_it_is() {
  make_keys "a dir=in" "b dir=in"
  mkdir -p served/in src
  chmod 751 served/in
  echo data >src/file
  touch -d '2020-02-02 UTC' src
  ((EUID != 0)) || chown 1234:1234 src
  start_server --allow owners
  as_client a
  copies 0 -a --chmod=D000 src/ "$host::"
  [[ $(stat -c '%a %u %g %Y' served/in) == "751 $EUID $(id -g) $(stat -c %Y src)" ]] ||
    fail "the directory has become $(stat -c '%a %u %g %y' served/in)"
  as_client b
  copies 0 "$host::file" back
  holds back data
}

test_serve_log_of_several_sources() {
  make_keys det1
  mkdir served
  echo one >served/a
  echo two >served/b
  start_server
  as_client det1
  copies 0 "$host::a" "$host::b" .
  copies 0 a "$host::c"
  stop_server
  says serve.err "\(det1\) read 'a' \(and 1 more\): 2 files, 8 bytes .*: ok"
  says serve.err "\(det1\) wrote 'c': 1 file, 4 bytes .*: ok"
}

test_serve_as_another_user() {
  need_root
  make_keys det1
  mkdir served
  chown nobody: served
  chmod 711 .
  chown nobody: keys
  make_tree src
  start_server --user nobody
  as_client det1
  copies 0 -a src "$host::"
  same_tree src served/src
  [[ $(stat -c %U served/src/one) == nobody ]] || fail "written as $(stat -c %U served/src/one)"
  [[ $(awk '/^Uid:/ {print $2 $3 $4}' "/proc/$server/status") == "$(id -u nobody)$(id -u nobody)$(id -u nobody)" ]] ||
    fail "the server is somebody else"
  kill -HUP "$server"
  await_line serve.err 'was read again'
  copies 0 -aI src "$host::"
}

test_serve_busy_and_waiting() {
  make_keys det1 det2
  make_data 3000000 a
  start_server --max-clients 1
  make_large big
  start_client one det1 big "$host::first"
  local one=$client
  stop_in_mid_transfer "$one" served/first
  as_client det2
  copies 35 a "$host::second"
  says copy.err 'the server is busy'
  says copy.err 'hint: --wait'
  start_client two det2 --wait a "$host::second"
  local two=$client
  await_line two.err 'busy'
  kill -CONT "$one"
  ends_with "$one" 0 60
  ends_with "$two" 0 60
  same a served/second
  same big served/first
  count_bytes 203000000
}

# Memory for one ring: the second client waits, although there may be 32.
test_serve_memory_for_all_clients() {
  make_keys det1 det2
  make_large big
  echo data >a
  copy=("$bin/rdcp" --fabric="$fabric")
  mkdir served
  copies 1 --serve --key-file keys --port 0 -m 64k served
  says copy.err 'memory'
  start_server -m 7M
  start_client one det1 big "$host::first"
  local one=$client
  stop_in_mid_transfer "$one" served/first
  as_client det2
  copies 35 a "$host::second"
  kill -CONT "$one"
  ends_with "$one" 0 60
  copies 0 a "$host::second"
  same big served/first
  count_bytes 200000000
}

# One key's clients fill its share and stand still: the others of that key wait, and another key's client gets through.
test_serve_share_of_each_key() {
  make_keys det1 det2
  make_large big
  echo data >a
  start_server --max-clients 4
  local i stopped=() waiting
  for i in 1 2 3; do
    start_client "one$i" det1 big "$host::big$i"
    stopped+=("$client")
    stop_in_mid_transfer "$client" "served/big$i"
  done
  as_client det1
  copies 35 a "$host::fourth"
  says copy.err "busy, with 3 clients, 3 of them with key 'det1'"
  start_client waits det1 --wait a "$host::fourth"
  waiting=$client
  await_line waits.err 'busy: this is next'
  as_client det2
  copies 0 a "$host::other"
  holds served/other data
  absent served/fourth
  runs "$waiting" || fail "who waits for its key has gone"
  # Once it is the only key it may have all places.
  sed -i '/^det2 /d' keys
  kill -HUP "$server"
  ends_with "$waiting" 0 40
  holds served/fourth data
  kill -CONT "${stopped[@]}"
  for i in "${stopped[@]}"; do ends_with "$i" 0 60; done
  stop_server
  start_server --max-clients 4 --max-clients-per-key 1
  as_client det1
  start_client one det1 big "$host::last"
  stop_in_mid_transfer "$client" served/last
  copies 35 a "$host::second"
  says copy.err "1 of them with key 'det1'"
  kill -CONT "$client"
  ends_with "$client" 0 60
  count_bytes 800000000
}

# Refusals of one key are three lines and a number, and those of another are seen beside them.
test_serve_bounds_what_refusals_fill_of_the_log() {
  make_keys 'det1 read' 'det2 read'
  echo data >a
  start_server
  local i
  as_client det1
  for i in {1..6}; do copies 3 a "$host::a"; done
  as_client det2
  copies 3 a "$host::a"
  await_line serve.err 'turned away .* \(det2\): '
  stop_server
  # On a slow host it may be two windows of time.
  local said more
  said=$(grep -c 'turned away .* (det1): ' serve.err)
  more=$(awk "/and [0-9]+ more with key 'det1'/ {for (i = 1; i < NF; ++i) if (\$i == \"and\") total += \$(i + 1)} END {print total + 0}" serve.err)
  ((said + more == 6 && more > 0)) || { show serve.err; fail "of 6 lines $said, and $more more"; }
}

test_serve_reads_its_keys_again() {
  make_keys det1
  start_server
  echo data >a
  as_client det1
  copies 0 a "$host::a"
  make_keys det2
  kill -HUP "$server"
  await_line serve.err '1 key was read again'
  copies 5 a "$host::b"
  as_client det2
  copies 0 a "$host::b"
  as_client det2
  echo "nonsense" >keys
  kill -HUP "$server"
  await_line serve.err 'the old keys stay: .*line 1'
  copies 0 a "$host::c"
  stop_server
}

# Whoever waits for a turn with a key that is taken back does not get one.
test_serve_takes_keys_back_from_those_who_wait() {
  make_keys det1 det2
  make_large big
  echo data >a
  start_server --max-clients 1
  start_client one det1 big "$host::first"
  local one=$client
  stop_in_mid_transfer "$one" served/first
  start_client two det2 --wait a "$host::second"
  local two=$client
  await_line two.err 'busy'
  sed -i 's/^det2 .*/& read/' keys
  kill -HUP "$server"
  ends_with "$two" 5 40
  says two.err 'the key has changed'
  kill -CONT "$one"
  ends_with "$one" 0 60
  absent served/second
}

# SIGHUP and SIGTERM while a client writes: it goes on, and ends well within the grace.
test_serve_signals_in_mid_transfer() {
  make_keys det1
  make_large big
  start_server --status-file status.json
  start_client one det1 big "$host::first"
  local one=$client
  stop_in_mid_transfer "$one" served/first
  kill -HUP "$server"
  await_line serve.err 'read again'
  kill -TERM "$server"
  await_line serve.err 'stopping: 1 client'
  await_line status.json '"state": *"stopping", *"clients": *1'
  kill -USR1 "$server"
  await_line serve.err 'stopping: 1 client, 0 waiting'
  as_client det1
  status=0
  timeout 60 "${copy[@]}" big "$host::no" >copy.out 2>copy.err || status=$?
  ((status == 35 || status == 10)) || fail "a client of a server that stops: $status"
  kill -CONT "$one"
  ends_with "$one" 0 60
  ends_with "$server" 0 40
  says status.json '"state": *"stopped", *"clients": *0'
  same big served/first
  count_bytes 200000000
}

# What a service supervisor hears: ready, reloading and ready again, stopping.
test_serve_tells_its_supervisor() {
  type -P socat >/dev/null || skip "socat is not installed"
  make_keys det1
  start socat -u UNIX-RECVFROM:notified,fork OPEN:heard,creat,append
  until [[ -S notified ]]; do pause 0.02; done
  wrap=(env "NOTIFY_SOCKET=$PWD/notified")
  start_server
  await_line heard '^READY=1'
  kill -HUP "$server"
  await_line heard '^RELOADING=1'
  until (($(grep -c '^READY=1' heard) == 2)); do pause 0.02; done
  stop_server
  await_line heard '^STOPPING=1'
}

# The table of the manual for those who come from hdrdmacp and scp_rdma, each row.
test_serve_does_what_older_tools_did() {
  need_root
  make_keys det1
  mkdir served
  chown nobody: served keys
  chmod 711 .
  make_tree tree
  cp tree/one f
  echo "${keys[det1]}" >key
  chmod 600 key
  # -s, -o DIR, -sp PORT, -m, -u, -g, -zp
  start_server -m 20M --user nobody:nogroup --status-file served/status.json
  copy=("$bin/rdcp" --fabric="$fabric" --key-file key)
  copies 0 --mkpath f "rdcp://$host:$port/a/b/g"  # -P, host:port:file
  same f served/a/b/g
  copies 0 --port "$port" -v --ring=2M --slot=256k f "$host::h"  # -p, -n, -v
  says copy.err 'bytes in .* (RDMA|TCP)'
  copies 0 -q --port "$port" --remove-source-files f "$host::i"  # -d, -q
  [[ ! -s copy.err ]] || fail "-q says something"
  absent f
  holds served/i one
  copies 0 -r --port "$port" tree "$host::"  # -r
  same_tree tree served/tree
  if [[ $fabric == rdma ]]; then
    copies 0 --port "$port" --device rxe0 --gid-index 1 tree/one "$host::j"  # -d DEV, -g IDX
    same tree/one served/j
  fi
  copies 0 --help  # -h
  await_line served/status.json '"transfers"'
}

test_serve_cuts_what_outlasts_the_grace() {
  make_keys det1
  make_large big
  local round grace=0.5 one
  for round in grace second; do
    start_server --grace "$grace"
    start_client one det1 big "$host::first"
    one=$client
    stop_in_mid_transfer "$one" served/first
    kill -TERM "$server"
    [[ $round == grace ]] || { await_line serve.err stopping; kill -TERM "$server"; }
    ends_with "$server" 20 20
    kill -CONT "$one"
    await_end "$one" 40
    ((status != 0)) || fail "the client exits with 0"
    one_line_error one.err
    [[ -z $(ls -A served) ]] || fail "left behind: $(ls -A served)"
    says serve.err 'failed \(20\): .*stop'
    grace=600  # and now only the second signal cuts
  done
}

# The server dies in the middle, and another takes its place: the client says so, and the next run sends the rest.
test_serve_killed_and_started_again() {
  make_keys det1
  mkdir src
  local i
  for i in {1..20}; do make_data 20000 "src/f$i"; done
  make_large src/large
  start_server
  local listen_on=$port
  start_client one det1 -a src "$host::first"
  local one=$client
  stop_in_mid_transfer "$one" served/first/large
  kill -KILL "$server"
  await_end "$server"
  kill -CONT "$one"
  await_end "$one" 40
  ((status == 10 || status == 12)) || { show one.err; fail "the client exits with $status"; }
  one_line_error one.err
  start_server
  as_client det1
  local there
  there=$(find served/first -type f -name 'f*' | wc -l)
  copies 0 -a --stats src/ "$host::first"
  same_tree src served/first
  local sent
  sent=$(sed -n 's/^Regular files transferred: //p' copy.out)
  ((there < 21 && sent == 21 - there)) || fail "$sent files were sent, where $there of 21 were there"
  count_bytes 200000000
}

one_line_error() { (($(grep -c 'error: ' "$1") == 1)) || { show "$1"; fail "not one error line in $1"; }; }

# Two clients that write the same path: it is one of the two, whole.
test_serve_two_write_one_path() {
  make_keys det1 det2
  make_data 8000000 a
  make_data 8000000 b
  start_server
  start_client one det1 a "$host::x"
  local one=$client
  start_client two det2 b "$host::x"
  ends_with "$one" 0 60
  ends_with "$client" 0 60
  cmp -s a served/x || cmp -s b served/x || fail "x is neither of the two"
  count_bytes 16000000
  [[ $(find served -mindepth 1 | wc -l) == 1 ]] || fail "left over: $(ls -A served)"
}

test_serve_remove_source_files() {
  make_keys "w write" "r read"
  make_tree src
  cp -a src kept
  start_server
  as_client w
  copies 0 -a --remove-source-files src "$host::"
  same_tree kept served/src
  [[ -z $(find src -type f) ]] || fail "sources are still there"
  as_client r
  copies 1 -a --remove-source-files "$host::src" back
  [[ -n $(find served/src -type f) ]] || fail "what was only to be read is gone"
}

test_serve_stalled_client_is_let_go() {
  make_keys det1
  make_large big
  start_server --timeout 1
  start_client one det1 big "$host::first"
  local one=$client
  stop_in_mid_transfer "$one" served/first
  await_line serve.err 'failed \(30\)'
  kill -CONT "$one"
  await_end "$one" 40
  ((status != 0)) || fail "the client exits with 0"
  runs "$server" || fail "the server has ended"
}

test_serve_usage() {
  make_keys det1
  mkdir served
  echo x >file
  copy=("$bin/rdcp" --fabric="$fabric")
  copies 1 --serve served
  says copy.err 'key-file'
  copies 1 --serve --key-file keys
  copies 1 --serve --key-file keys served served
  copies 1 --serve --key-file keys --read-only --write-only served
  copies 1 --serve --key-file keys --max-clients 4 --max-clients-per-key 5 served
  copies 1 --serve --key-file keys --max-clients-per-key 0 served
  copies 1 --serve --insecure-no-key served
  says copy.err 'only for this host'
  copies 1 --serve --insecure-no-key --address 192.0.2.1 served
  copies 3 --serve --key-file keys --port 0 file
  copies 3 --serve --key-file keys --port 0 missing
  copies 5 --serve --key-file missing --port 0 served
  chmod 644 keys
  copies 5 --serve --key-file keys --port 0 served
  says copy.err 'chmod 600'
  chmod 600 keys
  cp -p keys served/keys
  copies 1 --serve --key-file served/keys --port 0 served
  says copy.err 'lies in the directory'
  echo 'det1 x' >>keys
  copies 5 --serve --key-file keys --port 0 served
  says copy.err 'line 2'
  chmod 600 keys
  echo "$("$bin/rdcp" --generate-key) name" >keys
  copies 5 --serve --key-file keys --port 0 served
  says copy.err 'NAME comes first'
  ! grep -qE '[0-9a-f]{32}' copy.err || fail "a key was printed"
  copies 1 --serve --key-file keys --port 0 --exclude '*' served
  says copy.err 'exclude'
  copies 1 --serve --key-file keys --port 0 -n served
  copies 1 --key-file keys file copy-of-file
  says copy.err 'key-file.*two colons|two colons'
  copies 1 --wait file copy-of-file
  absent copy-of-file
  copies 1 file user@host::x
  copies 1 "host::a" "other::b"
  copies 1 "host::a" "other:b"
}

# tcp only: loopback has no RDMA device
test_serve_without_a_key_on_loopback() {
  mkdir served
  echo data >a
  start "$bin/rdcp" --serve served --fabric=tcp --port 0 --insecure-no-key --address 127.0.0.1 </dev/null 2>serve.err
  server=$!
  await_line serve.err 'on port [0-9]+'
  port=$(sed -n 's/.*on port \([0-9]*\).*/\1/p' serve.err)
  copy=("$bin/rdcp" --fabric=tcp --insecure-no-key --port "$port")
  copies 0 a 127.0.0.1::b
  holds served/b data
  copies 0 127.0.0.1::b c
  holds c data
}
