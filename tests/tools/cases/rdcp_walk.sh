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

# Large files that wait for the kernel, or to be put in place, are not all open, however many frames there are.
# tcp only: nothing of it moves
test_rdcp_many_large_files_and_few_descriptors() {
  local option
  mkdir src
  make_data 3200000 all
  split -b 8000 all src/
  for option in --links --sparse; do  # by the kernel, and through the ring
    (ulimit -n 250; exec timeout $((40 * scale)) "$bin/rdcp" -r --slot=4k "$option" src copy) >copy.out 2>copy.err ||
      { show copy.err; fail "status $? with $option"; }
    same_tree src copy
    rm -r copy
  done
}

test_rdcp_attributes_of_what_links_lead_to() {
  type -P setfattr setfacl >/dev/null || skip "needs setfattr and setfacl"
  make_rsh
  mkdir src outside outside/dir
  echo one >outside/file
  echo two >outside/dir/two
  for name in file dir; do setfattr -n user.colour -v blue "outside/$name" || skip "no user attributes here"; done
  setfacl -m u:12345:r outside/file || skip "no ACLs here"
  ln -s ../outside/file ../outside/dir src
  copies 0 -rLAXt src/ db2:copy
  for name in file dir; do
    [[ $(getfattr --only-values -n user.colour "home/copy/$name") == blue ]] || fail "$name has lost its attribute"
  done
  getfacl -n home/copy/file | grep -q '^user:12345:r--' || fail "the ACL is lost"
  [[ $fabric != rdma ]] || echo 8 >>"$run/moved"
}

# over rdma with --long: what is asked for is the same
test_rdcp_digest_of_what_links_lead_to() {
  make_rsh
  mkdir src
  echo one >file
  ln -s ../file src/link
  copies 0 -rL src/ db2:copy
  copies 0 -rcLi src/ db2:copy
  [[ ! -s copy.out ]] || { show copy.out; fail "it was sent again"; }
}

# over rdma with --long: errors of files
test_rdcp_delete_spares_what_a_loop_stands_for() {
  make_rsh
  mkdir -p src/sub/deep home/copy/sub/deep/up
  echo one >src/sub/one
  echo old | tee home/copy/sub/deep/up/old >home/copy/sub/extra
  ln -s .. src/sub/deep/up
  copies 23 -rL --delete src/ db2:copy
  says copy.err 'src/sub/deep/up.*directory above'
  holds home/copy/sub/deep/up/old old
  absent home/copy/sub/extra
}

test_rdcp_listed_beneath_links_and_files_as_rsync() {
  need_rsync
  make_rsh
  mkdir -p src/real/more
  echo secret >src/real/secret
  echo more >src/real/more/file
  ln -s real src/link
  ln -s real/secret src/to_file
  local list status
  for list in link/secret link/more $'real/secret/zzz\nreal/more' to_file/zzz absent/zzz real/secret/ $'link/secret\nreal/more\nreal/secret/zzz'; do
    rm -rf home/copy theirs
    status=0
    echo "$list" >list
    rsync -r --files-from=list src theirs >rsync.out 2>&1 || status=$?
    mkdir -p theirs home/copy
    copies "$status" -r --files-from=list src db2:copy
    diff -a <(list_tree theirs) <(list_tree home/copy) || fail "not as rsync, with $list"
  done
  [[ $fabric != rdma ]] || echo 28 >>"$run/moved"
}

# over rdma with --long: nothing but symlinks
test_rdcp_safe_links_through_links_as_rsync() {
  need_rsync
  make_rsh
  mkdir -p src/a/b
  ln -s .. src/a/b/s
  ln -s s/../../out src/a/b/through
  ln -s b/../b src/a/inside
  ln -s b/.. src/a/last
  ln -s ./../a src/a/dot
  ln -s ..//../a src/a/b/up
  ln -s ../../.. src/a/b/out
  ln -s s/s src/a/b/down
  rsync -rl --safe-links src/ theirs/
  copies 0 -rl --safe-links src/ db2:copy
  diff -a <(list_tree theirs) <(list_tree home/copy) || fail "not as rsync"
  [[ ! -L home/copy/a/b/through && -L home/copy/a/b/s && -L home/copy/a/b/up ]] || fail "others are left out"
}

# `-e ./rsh` for hosts one and two: what the shell to HOST runs is followed by COMMAND.
make_rsh_with() {  # HOST COMMAND
  make_rsh
  mkdir -p home
  cat >rsh <<EOF
#!/bin/bash
host=\$1
shift
cd "$PWD/home"
[[ \$host == "$1" ]] || exec sh -c "\$*"
sh -c "\$*"
status=\$?
$2
EOF
}

# tcp only: it is about exit statuses
test_rdcp_between_hosts_believes_statuses() {
  local forged='RDPIPE REPORT 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 TCP - two '
  make_rsh_with one "echo '$forged' >&2; exit \$status"
  make_tree home/src
  mkdir home/copy
  copies 23 -r one:src one:absent two:copy/
  copies 0 -r one:src two:
  make_rsh_with one "exit 77"
  copies 77 -r one:src two:
  make_rsh_with two "exit 78"
  copies 78 -r one:src two:
  make_rsh_with two "echo '$forged' >&2; exit 11"
  copies 11 -r one:src two:
}

# tcp only: it is about an exit status
test_rdcp_sigchld_ignored() {
  make_rsh
  make_tree src
  printf '#!/bin/sh\nexit 42\n' >failing
  chmod +x failing
  copy=(env --ignore-signal=CHLD "${copy[@]}")
  copies 42 -e ./failing -r src db2:copy
  copies 0 -r src db2:copy
}

# over rdma with --long: it is about what comes before the connection
test_rdcp_chatty_shell_and_a_long_list() {
  make_rsh
  make_tree home/src
  sed -i '2i yes "you have mail, and much else" | head -c 300000' rsh
  { seq -f 'nothing-of-that-name-%.0f' 20000; echo one; } >list
  copies 23 -r --files-from=list db2:src copy
  same home/src/one copy/one
}

# over rdma with --long: what moves is the same
test_rdcp_pull_of_a_list() {
  make_rsh
  make_tree home/src
  printf '%s\n' sub/two '' one >list
  copies 0 -r --files-from=list db2:src copy
  same home/src/sub/two copy/sub/two
  same home/src/one copy/one
  absent copy/sub/deeper
  : >list
  copies 0 -r --files-from=list db2:src none
  absent none/one
}
