# shellcheck shell=bash
# Every byte arrives, whatever the size and whatever is at the ends.

test_pipe_to_pipe() {
  local size
  for size in "${edge_sizes[@]}"; do
    make_data "$size" in
    start_reader to tee out >/dev/null
    start_writer from cat in
    start_recv >to
    start_send <from
    both_succeed "$size"
    await_end "$reader"
    same in out
  done
}

test_file_to_file() {
  local size
  for size in "${edge_sizes[@]}"; do
    make_data "$size" in
    target=out start_recv
    source=in start_send
    both_succeed "$size"
    same in out
    no_temporaries
  done
}

test_pipe_to_file() {
  local size
  for size in "${edge_sizes[@]}"; do
    make_data "$size" in
    start_writer from cat in
    target=out start_recv
    start_send <from
    both_succeed "$size"
    same in out
  done
}

test_file_to_pipe() {
  local size
  for size in "${edge_sizes[@]}"; do
    make_data "$size" in
    start_reader to tee out >/dev/null
    start_recv >to
    source=in start_send
    both_succeed "$size"
    await_end "$reader"
    same in out
  done
}

test_many_slots_through_pipes() {
  make_data 33000001 in
  start_reader to tee out >/dev/null
  start_writer from cat in
  start_recv >to
  start_send <from
  both_succeed 33000001
  await_end "$reader"
  same in out
}

test_many_slots_through_files() {
  make_data 33000001 in
  target=out start_recv
  source=in start_send
  both_succeed 33000001
  same in out
}

test_redirected_files() {
  make_data 1000001 in
  start_recv >out
  start_send <in
  both_succeed 1000001
  same in out
}

# limit 120
test_sparse_file_of_over_4_gib_stays_sparse() {
  truncate -s 5G in
  echo middle | dd of=in bs=1M seek=2500 conv=notrunc status=none
  echo end >>in
  target=out start_recv
  source=in start_send
  both_succeed 1048576 60
  [[ $(stat -c %s out) == $(stat -c %s in) ]] || fail "out has $(stat -c %s out) bytes"
  (($(stat -c %b out) < 20000)) || fail "out takes $(stat -c %b out) blocks"
  [[ $(dd if=out bs=1M skip=2500 count=1 status=none | head -c 6) == middle ]] || fail "the middle is wrong"
  [[ $(tail -c 4 out) == end ]] || fail "the end is wrong"
}

# long
# limit 300
test_stream_of_over_4_gib() {
  local text='yes "some text that repeats" | head -c 4500000001'
  start_reader to sh -c 'sha256sum >out.sum'
  start_writer from sh -c "$text"
  start_recv >to
  start_send <from
  both_succeed 4500000001 250
  await_end "$reader" 60
  sh -c "$text" | sha256sum >in.sum
  same in.sum out.sum
}

test_tar_pipe() {
  mkdir -p tree/a/b back
  make_data 300000 tree/a/one
  make_data 10 tree/a/b/two
  ln -s a/one tree/link
  start_reader to tar -x -C back
  start_writer from tar -c tree
  start_recv >to
  start_send <from
  both_succeed 300000
  await_end "$reader"
  diff -r --no-dereference tree back/tree
}
