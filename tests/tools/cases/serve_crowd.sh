# shellcheck shell=bash
# shellcheck disable=SC2119  # stop_server without arguments
# Many clients of one server at once, and one after another: none harms another, and nothing is left of them.
# shellcheck disable=SC2154  # lib.sh's variables
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/serve.bash
source "$cases/../serve.bash"

crowd_keys() {
  local i all=()
  for i in {1..15}; do all+=("good$i dir=in$i write"); mkdir -p "served/in$i"; done
  for i in killed stalled hostile full; do all+=("$i dir=$i write"); mkdir -p "served/$i"; done
  make_keys "${all[@]}"
  keys[stranger]=$("$bin/rdcp" --generate-key)
}

# 20 at once: 15 that want no harm, one that is killed, one that stalls, one with a wrong key, one that wants out of
# its directory, and one that fills a disk. The 15 complete and match.
let_a_crowd_in() {  # text|json
  may_mount || skip "may not mount here"
  crowd_keys
  mount -t tmpfs -o size=2m full served/full 2>/dev/null || skip "may not mount here"
  undo+=("umount -l '$PWD/served/full'")
  mkdir src big
  local i
  for i in {1..15}; do
    mkdir "src/$i"
    make_data $((1000000 + i * 50001)) "src/$i/large"
    for j in {1..20}; do echo "$i $j" >"src/$i/small$j"; done
  done
  make_large big/big
  start_server --timeout 5 --log-format="$1" --max-clients 32
  declare -A pids=()
  start_client killed killed -a big "$host::" && pids[killed]=$client
  stop_in_mid_transfer "$client" served/killed/big/big
  start_client stalled stalled -a big "$host::" && pids[stalled]=$client
  stop_in_mid_transfer "$client" served/stalled/big/big
  for i in {1..15}; do start_client "good$i" "good$i" -a "src/$i/" "$host::data" && pids[good$i]=$client; done
  start_client stranger stranger -a big "$host::" && pids[stranger]=$client
  start_client hostile hostile --mkpath big/big "$host::../../etc/x" && pids[hostile]=$client
  start_client full full -a big "$host::" && pids[full]=$client
  kill -KILL "${pids[killed]}"
  for i in {1..15}; do ends_with "${pids[good$i]}" 0 150; done
  for i in {1..15}; do same_tree "src/$i" "served/in$i/data"; done
  ends_with "${pids[stranger]}" 5 60
  ends_with "${pids[hostile]}" 3 60
  await_end "${pids[full]}" 60
  ((status == 11 || status == 23)) || { show full.err; fail "with a full disk: status $status"; }
  says full.err 'No space left'
  await_line serve.err '"status": *30|failed \(30\)'
  kill -CONT "${pids[stalled]}"
  await_end "${pids[stalled]}" 60
  absent etc/x
  [[ -z $(ls served/hostile) ]] || fail "the hostile one left $(ls served/hostile)"
  no_temporaries
  stop_server
  count_bytes 20000000
}

# limit 240
test_serve_crowd() {
  let_a_crowd_in json
  type -P jq >/dev/null || skip "jq is not installed"
  (($(jq -s 'map(select(.event == "transfer" and .status == 0)) | length' serve.err) == 15)) ||
    { show serve.err; fail "the log does not have 15 that went well"; }
  jq -es 'map(select(.event == "transfer")) | (map(select(.key == "full")) | .[0].status != 0) and
    (map(select(.key == "killed")) | .[0].status == 12) and (map(select(.key == "stalled")) | .[0].status == 30) and
    (map(select(.key == "hostile")) | .[0].status == 3)' serve.err >/dev/null || { show serve.err; fail "what the log says of the others is not so"; }
  says serve.err '"event":"notice".*wrong key'
}

# over rdma with --long: the same in text
# limit 240
test_serve_crowd_in_text() {
  let_a_crowd_in text
  (($(grep -cE '\(good[0-9]+\) wrote .data.: 21 files, [0-9]+ bytes in .* s, .*: ok$' serve.err) == 15)) ||
    { show serve.err; fail "the log does not have 15 that went well"; }
  says serve.err '\(full\) wrote .*: failed \((11|23)\): .*No space left'
  says serve.err '\(killed\) wrote .*: failed \(12\)'
  says serve.err 'turned away .*: wrong key'
}

# Clients of the numbers FIRST to LAST, AT-ONCE at once, each with a connection and a file of its own.
serve_clients() {  # AT-ONCE FIRST LAST
  local i
  for ((i = $2; i <= $3; i++)); do
    while (($(jobs -r | wc -l) > $1)); do wait -n || true; done
    RDPIPE_KEY=${keys[det1]} timeout $((60 * scale)) "$bin/rdcp" --fabric="$fabric" --port "$port" a "$host::f$i" \
      2>>short.err || echo "client $i: $?" >>short.err &
  done
  while (($(jobs -r | wc -l) > 1)); do wait -n || true; done
  [[ ! -s short.err ]] || { head -n 5 short.err; fail "not all went well"; }
  (($(find served -type f | wc -l) == $3)) || fail "$(find served -type f | wc -l) files, not $3"
}

# After LAST clients the server has the descriptors that it had after FIRST, and its memory, but for KIB.
serve_without_growth() {  # AT-ONCE FIRST LAST KIB
  local descriptors memory
  serve_clients "$1" 1 "$2"
  descriptors=$(open_descriptors "$server") memory=$(memory_of "$server")
  serve_clients "$1" $(($2 + 1)) "$3"
  await_descriptors "$descriptors"
  (($(memory_of "$server") <= memory + $4)) || fail "$(memory_of "$server") KiB of memory, $memory after $2 clients"
}

# over rdma with --long: a thousand programs to start under emulation
# limit 300
test_serve_a_thousand_short_connections() {
  make_keys det1
  echo data >a
  start_server
  # What is left of it is malloc's, which keeps memory for each of the threads that there were at once: it levels off.
  serve_without_growth 6 400 1000 1536
  stop_server
}

# One after another, and without memory that malloc keeps for each thread: 128 bytes that each left behind would be found.
# long
# limit 1200
test_serve_three_thousand_short_connections() {
  make_keys det1
  echo data >a
  wrap=(env MALLOC_ARENA_MAX=1)
  start_server
  serve_without_growth 1 1000 3000 256
  stop_server
}
