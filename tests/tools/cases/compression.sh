# shellcheck shell=bash
# shellcheck disable=SC2119  # make_rsh and stop_server without arguments
# Compressed streams and trees: what arrives is what was sent, and less of it crosses the line.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/serve.bash
source "$cases/../serve.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

make_text() { seq -f 'line %.0f of many' 10000000 | head -c "$1" >"$2" || true; }  # SIZE FILE

# FILE says that to at most BYTES were left.
shrank_to() {  # FILE BYTES
  local left
  left=$(sed -n 's/.*, compressed [0-9.]*:1 to \([0-9]*\) B.*/\1/p' "$1")
  [[ -n $left ]] || { show "$1"; fail "$1 does not say how much was left"; }
  ((left <= $2)) || fail "$left bytes were left, not $2"
}

# limit 120
test_compressed_files_of_all_methods() {
  local method seal
  make_text 6000001 in
  for method in -z --compress --compress=zstd:1 --compress=zstd:19 --compress=lz4 --compress=auto; do
    for seal in --encrypt --no-encrypt; do
      echo "$method $seal"
      target=out start_recv -v
      source=in start_send -v "$method" "$seal"
      both_succeed 6000001
      same in out
      [[ $method == --compress=auto ]] || { shrank_to send.err 3500000; shrank_to recv.err 3500000; }
    done
  done
}

test_compressed_sizes() {
  local size
  make_text 70000 all
  for size in "${edge_sizes[@]}" 65536 70000; do
    head -c "$size" all >in
    target=out start_recv --hash sha256
    source=in start_send -z --hash sha256
    both_succeed "$size"
    same in out
    says send.err "$(sha256sum in | cut -d ' ' -f 1)"
    says recv.err "$(sha256sum in | cut -d ' ' -f 1)"
  done
}

test_compressed_pipe() {
  local options
  make_text 9000000 in
  for options in "-z" "--compress=auto" "-z --ring 8k" "-z -s 4M --ring 8M"; do
    echo "$options"
    start_reader to sh -c 'cat >out'
    start_writer from cat in
    start_recv >to
    # shellcheck disable=SC2086  # words
    start_send $options <from
    both_succeed 9000000
    await_end "$reader"
    same in out
  done
}

# A trickle goes at once, compressed or not.
test_compressed_trickle() {
  local word
  mkfifo from
  exec 9<>from
  start_recv >out 9>&-
  start_send --compress=auto <from 9>&-
  for word in one two three; do
    echo "$word" >&9
    await_line out "^$word\$"
  done
  exec 9>&-
  both_succeed 14
}

test_compressed_what_does_not_shrink() {
  local method
  make_data 6000001 in
  for method in zstd lz4 auto; do
    target=out start_recv
    source=in start_send -v --compress="$method"
    both_succeed 6000001
    same in out
    says send.err ', compressed 1\.00:1 to 6000001 B'
  done
}

test_compressed_holes_stay() {
  make_text 300000 in
  truncate -s 40M in
  make_text 300000 tail
  cat tail >>in
  target=out start_recv
  source=in start_send -zv
  both_succeed 42243040
  same in out
  shrank_to send.err 300000
  (($(stat -c %b out) * 512 < 4000000)) || fail "the hole is gone"
}

test_compressed_without_checksum() {
  make_text 3000000 in
  target=out start_recv --no-checksum
  source=in start_send -z
  both_succeed 3000000
  same in out
}

test_compressed_reader_that_leaves() {
  start_reader to head -c 1 >/dev/null
  start_writer from sh -c 'exec yes'
  start_recv >to
  start_send -z <from
  both_exit 11
  one_error recv.err "Broken pipe"
}

test_compressed_sender_that_is_killed() {
  start_writer from sh -c 'exec yes'
  target=out start_recv
  start_send -z <from
  until [[ -n $(find . -name '.out.rdpipe-*' -size +0) ]]; do pause 0.02; both_alive; done
  kill -KILL "$sender"
  sender_fails
  receiver_exits 12
  absent out
  no_temporaries
}

# tcp only: no data moves
test_compression_that_is_none() {
  local value status
  for value in gzip zstd:0 zstd:20 zstd: zstd:x lz4:3 none ''; do
    status=0
    "$bin/rdsend" --compress="$value" "$host" 4711 "$key" </dev/null 2>send.err || status=$?
    ((status == 1)) || fail "--compress='$value': status $status"
    one_error send.err "compress"
    status=0
    "$bin/rdcp" --compress="$value" a b 2>copy.err || status=$?
    ((status == 1)) || fail "rdcp --compress='$value': status $status"
  done
}

# Texts, noise, a file of several frames, many small ones and what has no content.
make_mixed_tree() {  # DIRECTORY
  local i
  make_tree "$1"
  make_text 5000001 "$1/text"
  make_data 1000001 "$1/noise"
  for ((i = 0; i < 300; i++)); do echo "small file number $i of many" >"$1/sub/small$i"; done
}

# limit 180
test_rdcp_compressed_both_ways() {
  local way
  make_rsh
  make_mixed_tree src
  for way in -z --compress=lz4 --compress=auto "-z --encrypt" "-z --no-encrypt --no-digest"; do
    echo "$way"
    rm -rf home/dst back
    # shellcheck disable=SC2086  # words
    copies 0 -av $way src/ db2:dst
    same_tree src home/dst
    says copy.err ', compressed [0-9.]+:1 to [0-9]+ B, '
    # shellcheck disable=SC2086  # words
    copies 0 -av --stats $way db2:dst/ back
    same_tree src back
    says copy.out '^\.\.\. compressed to: [0-9]+'
    [[ $way == *auto ]] || shrank_to copy.err 4000000
  done
  copies 0 -azv --no-z src/ db2:plain
  same_tree src home/plain
  ! grep -q compressed copy.err || fail "--no-z compresses"
  [[ $fabric != rdma ]] || echo 60000000 >>"$run/moved"
}

# limit 180
test_rdcp_compressed_between_two_hosts() {
  start_sshd
  make_mixed_tree src
  copies 0 -az "a:$PWD/src" "b:$PWD/copy"
  same_tree src copy
  [[ $fabric != rdma ]] || echo 6000000 >>"$run/moved"
}

# tcp only: no data moves over a connection
test_rdcp_compressed_within_a_host() {
  make_mixed_tree src
  copy=("$bin/rdcp")
  copies 0 -azv src dst
  same_tree src dst
  ! grep -q compressed copy.err || fail "it says that it compresses"
}

# limit 120
test_serve_compressed() {
  local status=0
  make_mixed_tree src
  make_keys det1
  start_server
  as_client det1 -v
  copies 0 -az src "$host::"
  same_tree src served/src
  shrank_to copy.err 4000000
  copies 0 -a --compress=zstd:19 "$host::src" back
  same_tree src back
  shrank_to copy.err 4000000
  count_bytes 12000000
  stop_server
  "$bin/rdcp" --serve served -z --key-file keys --port 0 2>serve.err || status=$?
  ((status == 1)) || fail "--serve takes -z"
  says serve.err "option --compress: it means nothing to a server"
}
