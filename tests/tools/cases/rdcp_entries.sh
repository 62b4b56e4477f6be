# shellcheck shell=bash
# shellcheck disable=SC2119  # make_rsh without noise
# Links, mount points and modes, in each case as rsync treats them.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

# rdcp pushes src/ to home/ours and pulls it to pulled, and rsync copies it to theirs, with the same options; all agree.
as_rsync() {  # STATUS OPTION...
  local want=$1 status=0 way
  shift
  rm -rf home/ours pulled theirs
  (umask 022; rsync "$@" src/ theirs/) >rsync.out 2>&1 || status=$?
  [[ $status == "$want" ]] || { show rsync.out; fail "rsync $*: status $status, not $want"; }
  umask 022
  copies "$want" "$@" src/ db2:ours
  copies "$want" "$@" "db2:$PWD/src/" pulled
  for way in home/ours pulled; do
    diff -a <(list_tree theirs) <(list_tree "$way") || fail "$way is not as rsync's, with $*"
  done
  [[ $fabric != rdma ]] || echo 1000 >>"$run/moved"
}

make_links() {
  make_tree src
  mkdir -p outside src/sub/dir
  echo beyond >outside/file
  ln -s sub/two src/inside
  ln -s ../sub/deeper src/sub/to_directory
  ln -s ../../outside/file src/sub/leads_out
  ln -s ../outside src/leads_out_too
  ln -s "$PWD/outside/file" src/absolute
  ln -s ../src/one src/back_in
  ln -s nowhere src/dangling
}

# over rdma with --long: what is chosen, not how it moves
test_rdcp_symlinks_as_rsync() {
  need_rsync
  make_rsh
  make_links
  as_rsync 0 -rl
  as_rsync 0 -rl --safe-links
  as_rsync 23 -rL  # one of them dangles
  rm src/dangling
  as_rsync 0 -rL
}

# over rdma with --long: what is chosen, not how it moves
test_rdcp_chmod_as_rsync() {
  need_rsync
  make_rsh
  make_tree src
  chmod 4711 src/one
  chmod 640 src/sub/two
  chmod 2770 src/sub
  local changes
  for changes in u+rw,go-rwx D755,F644 a+X Dg+s,Fo=r Du=rwX,o=u +x; do
    as_rsync 0 -rlp --chmod="$changes"
    as_rsync 0 -rl --chmod="$changes"
  done
}

test_rdcp_stays_in_one_file_system() {
  need_rsync
  may_mount || skip "may not mount here"
  make_rsh
  make_tree src
  mkdir src/mounted src/sub/bound
  mount -t tmpfs tmpfs src/mounted 2>/dev/null || skip "may not mount here"
  undo+=("umount -l src/mounted")
  mkdir src/mounted/below
  echo other >src/mounted/below/file
  as_rsync 0 -rl
  [[ -e home/ours/mounted/below/file ]] || fail "without -x it is copied"
  as_rsync 0 -rlx
  absent home/ours/mounted/below
  as_rsync 0 -rlxx
  absent home/ours/mounted
  mkdir home/ours/mounted
  echo kept >home/ours/mounted/file
  copies 0 -rlxx --delete src/ db2:ours
  holds home/ours/mounted/file kept
  # What is listed is copied wherever it is.
  printf '%s\n' mounted/below/file >list
  as_rsync 0 -rlx --files-from=list
  [[ -s home/ours/mounted/below/file ]] || fail "with -x what is listed is not copied"
  as_rsync 0 -rlxx --files-from=list
  as_rsync 0 -rlx
  # Nor is what is mounted in the destination deleted.
  mkdir home/ours/extra home/ours/extra/mounted
  mount -t tmpfs tmpfs home/ours/extra/mounted
  undo+=("umount -l home/ours/extra/mounted")
  echo precious | tee home/ours/extra/mounted/file home/ours/extra/gone >/dev/null
  copies 0 -rlx --delete src/ db2:ours
  holds home/ours/extra/mounted/file precious
  absent home/ours/extra/gone
}

# Bits that give the owner's rights to others come only where modes are asked for.
test_rdcp_setuid_only_with_modes() {
  make_rsh
  mkdir src
  echo tool >src/tool
  chmod 6755 src/tool
  chmod 2755 src
  copies 0 -rt src/ db2:plain
  [[ $(stat -c %a home/plain/tool) == 755 ]] || fail "mode $(stat -c %a home/plain/tool) without -p"
  copies 0 -rtp src/ db2:kept
  [[ $(stat -c %a home/kept/tool) == 6755 ]] || fail "mode $(stat -c %a home/kept/tool) with -p"
  [[ $(stat -c %a home/kept) == 2755 ]] || fail "the directory has mode $(stat -c %a home/kept) with -p"
  [[ $fabric != rdma ]] || echo 10 >>"$run/moved"
}

# What is not copied again keeps its mode without -p, also when its time is corrected.
# tcp only: nothing moves
test_rdcp_setuid_of_what_is_the_same() {
  make_rsh
  mkdir src
  echo tool | tee src/tool src/later home/tool >home/later
  touch -d @1000000000 src/tool src/later home/tool
  chmod 4755 src/later home/tool home/later
  copies 0 -rti --size-only src/ db2:.
  ! grep tool copy.out || fail "what is the same was changed"
  grep -qE '^\.f\.\.t\.+ later$' copy.out || { show copy.out; fail "more than a time was corrected"; }
  [[ $(stat -c %a home/tool) == 4755 ]] || fail "mode $(stat -c %a home/tool) of what is the same"
  [[ $(stat -c %a,%Y home/later) == 4755,1000000000 ]] || fail "$(stat -c %a,%Y home/later) after a new time"
  copies 0 -rtpi src/ db2:.
  [[ $(stat -c %a home/tool) == "$(stat -c %a src/tool)" ]] || fail "mode $(stat -c %a home/tool) with -p"
}

# --fsync: one call for the whole file system, after the last file is in place and before the end is told.
# over rdma with --long: what is written, not how it moves
test_rdcp_fsync_comes_last() {
  type -P strace >/dev/null || skip "strace is not installed"
  make_rsh
  make_tree src
  printf '#!/bin/sh\nexec strace -f -qq -o "%s" -e trace=syncfs,renameat,renameat2,linkat "%s" "$@"\n' "$PWD/calls" "$bin/rdcp" >rdcp
  chmod +x rdcp
  copies 0 -r --fsync --rdcp-path "$PWD/rdcp" src/ db2:copy
  grep -q syncfs calls || { show calls; skip "nothing can be traced here"; }
  [[ $(grep -E 'syncfs|rename|linkat' calls | tail -n 1) == *syncfs*"= 0" ]] ||
    { show calls; fail "something is put in place after it was all to be on the disk"; }
  copies 0 -r --rdcp-path "$PWD/rdcp" src/ db2:other
  ! grep -q syncfs calls || fail "it synchronizes unasked"
}
