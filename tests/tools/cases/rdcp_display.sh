# shellcheck shell=bash
# What rdcp shows on a terminal.
# shellcheck source=../sshd.bash
source "$cases/../sshd.bash"

# rdcp on a terminal of 40 columns: what it drew, a line each.
draws() {  # WORD...
  printf '%q ' "${copy[@]}" "$@" >asked
  timeout $((40 * scale)) script -qec "stty cols 40; sh asked" /dev/null >typescript 2>&1 </dev/null || {
    show typescript
    fail "rdcp $* fails"
  }
  tr '\r' '\n' <typescript | sed -E 's/\x1b\[[?0-9]*[A-Za-z]//g' | grep . >drawn || fail "nothing was drawn"
}

# Push, pull and local: the last line drawn stays, knows the whole, and fits.
test_rdcp_progress() {
  type -P script >/dev/null || skip "no script(1) here"
  make_rsh ""
  mkdir home/dir
  make_data 40000000 in
  cp in home/dir/large
  echo small >home/dir/small
  local words last
  for words in "in db2:out" "-r db2:dir copy" "in local"; do
    # shellcheck disable=SC2086  # words
    draws --progress $words
    ! grep -nE '^.{40}' drawn || fail "$words: wider than the terminal"
    last=$(tail -n 1 drawn)
    [[ $last =~ ^40\.00\ MB\ +100%.*/s ]] || fail "$words: drew at last: $last"
    [[ $last != *+* ]] || fail "$words: does not know how much it is: $last"
  done
  same in home/out
  same in copy/large
  same in local
  [[ $fabric != rdma ]] || printf '%s\n' 40000000 40000006 >>"$run/moved"
}

# tcp only: no data moves
test_rdcp_no_progress_where_no_terminal_is() {
  echo hello >in
  copy=("$bin/rdcp")
  copies 0 --progress in out
  [[ ! -s copy.err ]] || fail "it draws into a file"
}
