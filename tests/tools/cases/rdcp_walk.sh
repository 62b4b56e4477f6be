# shellcheck shell=bash
# shellcheck disable=SC2119  # make_rsh without noise
# The sender's side: what of the sources is read, followed and listed, and that it ends when it shall.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

# rdcp ends with 20 at most 15 s after SIGTERM.
ends_on_signal() {  # WORD...
  start "${copy[@]}" "$@" >copy.out 2>copy.err
  local pid=${started[-1]}
  pause 1
  runs "$pid" || fail "rdcp $* ended by itself"
  kill -TERM "$pid"
  await_end "$pid" 15
  [[ $status == 20 ]] || { show copy.err; fail "rdcp $*: status $status, not 20"; }
}

# tcp only: nothing of it moves
test_rdcp_signal_while_a_file_is_digested() {
  make_rsh
  mkdir -p src home/copy
  truncate -s 1T src/huge
  truncate -s 1T home/copy/huge
  ends_on_signal -rc src/ home/copy
  ends_on_signal -rc src/ db2:copy
  ends_on_signal -rc "db2:$PWD/src/" home/copy
}

# tcp only: nothing of it moves
test_rdcp_signal_while_a_partial_file_is_digested() {
  make_rsh
  mkdir -p src copy
  truncate -s 1T src/huge copy/.huge.rdpipe-partial
  ends_on_signal -rP src/ copy
}

# tcp only: nothing of it moves
test_rdcp_few_descriptors() {
  make_tree src
  local limit status
  for limit in 4 5 6 7 8 9 10 12 14 17; do
    status=0
    (ulimit -n "$limit"; exec timeout 20 "$bin/rdcp" -r src "copy$limit") >copy.out 2>copy.err || status=$?
    ((status != 124 && status < 128)) || fail "with $limit descriptors: status $status"
    ((status != 0)) || same_tree src "copy$limit"
  done
}
