# shellcheck shell=bash
# shellcheck disable=SC2119  # make_rsh without noise
# How rdcp writes files: in place, within this host, to the medium; and what does not fit into a record.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

inode() { stat -c %i "$1"; }

test_rdcp_inplace() {
  local before
  make_rsh
  mkdir src home/dst
  make_data 3000000 src/large
  make_data 5000000 home/dst/large
  ln home/dst/large home/other
  before=$(inode home/dst/large)
  copies 0 -rt --inplace --verify src/ db2:dst
  same src/large home/dst/large
  same src/large home/other
  [[ $(inode home/dst/large) == "$before" ]] || fail "it is another file"
  [[ $(stat -c %Y src/large) == "$(stat -c %Y home/dst/large)" ]] || fail "its time is another"
  make_data 3000000 src/large
  copies 0 -rt --inplace src/ home/dst  # within this host
  same src/large home/dst/large
  [[ $(inode home/dst/large) == "$before" ]] || fail "it is another file within this host"
  [[ $fabric != rdma ]] || echo 3000000 >>"$run/moved"
}

# tcp only: no data moves
test_rdcp_inplace_excludes() {
  local word
  echo "the new one" >new
  echo old >old
  for word in --backup --backup-dir=b --partial-dir=p; do
    copy=("$bin/rdcp")
    copies 1 --inplace "$word" new old
    says copy.err "option --inplace"
  done
  holds old old
  copies 0 --inplace --partial new old
  holds old "the new one"
}

# over rdma with --long: what is written, not how it moves
test_rdcp_inplace_without_permission() {
  become_nobody
  mkdir -m 777 src dst
  make_data 300000 src/one
  make_data 300000 src/two
  echo old >dst/one
  chmod 444 dst/one
  copy=("${wrap[@]}" "$bin/rdcp")
  copies 23 -r --inplace src/ dst
  says copy.err "dst/one': .*Permission denied"
  (($(grep -c "'" copy.err) == 1)) || { show copy.err; fail "not one line for the file"; }
  holds dst/one old
  same src/two dst/two
}

# What a copy that was killed has left goes with the next one, also where it may not be written.
# over rdma with --long: what is written, not how it moves
test_rdcp_read_only_left_overs() {
  become_nobody
  mkdir -m 777 src dst
  echo new >src/file
  echo left | tee dst/.file.rdpipe-aaaaaaaa >dst/.file.rdpipe-bbbbbbbb
  mkfifo dst/.file.rdpipe-cccccccc
  chown nobody dst/.file.*
  chmod 444 dst/.file.rdpipe-aaaaaaaa
  copy=("${wrap[@]}" "$bin/rdcp")
  copies 0 -r src/ dst
  [[ $(find dst -mindepth 1 -printf '%P\n' | LC_ALL=C sort | xargs) == ".file.rdpipe-cccccccc file" ]] ||
    fail "there are $(ls -A dst)"
}

# limit 150
test_rdcp_many_long_symlinks() {
  need_python
  make_rsh
  mkdir src
  python3 -c 'for i in range(4500): __import__("os").symlink("t" * 4000, f"src/{i}")'
  copies 0 -r --stats src db2:
  [[ $(find home/src -type l | wc -l) == 4500 ]] || fail "not all are there"
  [[ $fabric != rdma ]] || echo 4500 >>"$run/moved"
}

# What has more extended attributes than fit costs a line; its content arrives, its ACL too, and what is there stays.
test_rdcp_too_many_xattrs() {
  need_python
  make_small_disk 64m
  make_rsh
  mkdir small/src small/dst
  ln -s "$PWD/small/dst" home/dst
  echo new >small/src/much
  echo fine >small/src/fine
  python3 -c 'import os
for i in range(20): os.setxattr("small/src/much", f"user.x{i}", b"v" * 60000)
os.setxattr("small/src/fine", "user.y", b"kept")' || skip "no such attributes here"
  echo new >small/dst/much
  touch -r small/src/much small/dst/much
  python3 -c 'import os; os.setxattr("small/dst/much", "user.old", b"stays")'
  copies 23 -rtX small/src/ db2:dst/
  says copy.err "much': its extended attributes: too many"
  (($(grep -c "much" copy.err) == 1)) || { show copy.err; fail "not one line"; }
  holds small/dst/fine fine
  [[ $(python3 -c 'import os; print(os.listxattr("small/dst/much"), os.listxattr("small/dst/fine"))') == \
    "['user.old'] ['user.y']" ]] || fail "not the attributes that were there, and those that fit"
  echo newer >small/src/much
  ln small/src/much small/src/other
  copies 23 -rtHX --remove-source-files small/src/ db2:dst/
  holds small/dst/much newer
  holds small/src/much newer  # not all of it is there
  holds small/src/other newer
  [[ small/dst/much -ef small/dst/other ]] || fail "they are no hard links"
  absent small/src/fine
  [[ $fabric != rdma ]] || echo 10 >>"$run/moved"
}

# Within this host the kernel copies large files, but not where it cannot do what was asked for.
# tcp only: no data moves
test_rdcp_local_options() {
  copy=("$bin/rdcp")
  head -c 3000000 /dev/zero >zeros
  copies 0 -S zeros sparse
  same zeros sparse
  (($(stat -c %b sparse) * 512 < 3000000)) || fail "-S makes no holes"
  make_data 20000000 in
  make_small_disk 8m
  copies 11 --partial in small/
  [[ -s small/.in.rdpipe-partial ]] || fail "nothing is kept"
  rm small/.in.rdpipe-partial
  copies 11 in small/
  [[ -z $(ls -A small) ]] || fail "left behind: $(ls -A small)"
}

# tcp only: no data moves
test_rdcp_local_verify() {
  type -P strace >/dev/null || skip "strace is not installed"
  make_data 3000000 in
  copy=(strace -f -qq -o calls -e "trace=fsync,fadvise64,copy_file_range" "$bin/rdcp")
  copies 0 in plain
  grep -q copy_file_range calls || { show calls; skip "nothing can be traced here"; }
  copies 0 --verify in verified
  same in verified
  grep -q fadvise64 calls || { show calls; fail "it is not read back past the page cache"; }
}

# The one that came first has the part to itself.
test_rdcp_two_at_one_partial_file() {
  make_rsh
  make_data 60000000 big
  echo old >home/out
  start "${copy[@]}" --partial --keep-alive 60 --slot 4k --ring 8k --encrypt big db2:out 2>first.err </dev/null
  local first=$! tries=0
  until [[ -n $(find home -name '.*.rdpipe-partial' -size +0) ]]; do
    ((tries++ < 1500 * scale)) || { show first.err; fail "nothing is written"; }
    runs "$first" || { show first.err; fail "the first one has ended"; }
    pause 0.01
  done
  kill -STOP "$first"
  copies 23 --partial big db2:out
  (($(grep -c 'another copy is writing it' copy.err) == 1)) || { show copy.err; fail "not one line about it"; }
  holds home/out old
  kill -CONT "$first"
  await_end "$first" 40
  ((status == 0)) || { show first.err; fail "the first one: status $status"; }
  same big home/out
  [[ -z $(find home -name '.*.rdpipe-*') ]] || fail "left behind: $(find home -name '.*.rdpipe-*')"
  [[ $fabric != rdma ]] || echo 60000000 >>"$run/moved"
}

put_at() { printf 'some data' | dd of="$1" bs=4096 seek=$(($2 / 4096)) conv=notrunc status=none; }  # FILE OFFSET

# Without -S, too.
test_rdcp_keeps_holes() {
  need_python
  make_rsh
  mkdir src
  truncate -s 40M src/empty src/large
  truncate -s 300000 src/small
  put_at src/small 122880
  put_at src/large 8192000
  put_at src/large 36864000
  (($(stat -c %b src/large) * 512 < 1000000)) || skip "no holes here"
  copies 0 -a src/ db2:pushed
  copies 0 -a "db2:$PWD/src/" pulled
  copies 0 -a src/ copied
  local way
  for way in home/pushed pulled copied; do equal_trees src "$way"; done
  [[ $fabric != rdma ]] || echo 20 >>"$run/moved"
}

# over rdma with --long: what is written, not how it moves
test_rdcp_fsync_without_reading() {
  become_nobody
  mkdir -m 777 dst
  echo hello >in
  copy=("${wrap[@]}" "$bin/rdcp")
  copies 0 -p --chmod=F200 --fsync in dst/out
  holds dst/out hello
  mkdir -m 733 drop  # neither can its directory be read
  copies 0 -p --chmod=F200 --fsync in drop/out
  holds drop/out hello
}

# over rdma with --long: what is written, not how it moves
test_rdcp_fsync_all_file_systems() {
  type -P strace >/dev/null || skip "strace is not installed"
  make_small_disk 8m
  mkdir -p src/below dst
  echo one >src/one
  echo two >src/below/two
  copy=(strace -f -qq -o calls -e "trace=syncfs" "$bin/rdcp")
  copies 0 -r --fsync src/ dst
  (($(grep -c 'syncfs.*= 0' calls) == 1)) || { show calls; fail "not one file system"; }
  mount --bind small dst/below
  undo+=("umount -l dst/below")
  copies 0 -r --fsync src/ dst
  holds small/two two
  (($(grep -c 'syncfs.*= 0' calls) == 2)) || { show calls; fail "not what is mounted beneath"; }
}

# As between two hosts that number their users differently: the other end has a passwd and group of its own.
test_rdcp_owners_by_name() {
  ((EUID == 0)) || skip "only root gives files away"
  may_mount || skip "may not mount here"
  make_rsh
  local here
  for here in passwd group; do cp "/etc/$here" "$here.here" && cp "/etc/$here" "$here.there"; done
  printf '%s\n' alice:x:7001:7001::/:/bin/sh carol:x:7003:7003::/:/bin/sh >>passwd.here
  printf '%s\n' alice:x:7001: carol:x:7003: >>group.here
  echo alice:x:8001:8001::/:/bin/sh >>passwd.there
  echo alice:x:8001: >>group.there
  mount --bind passwd.here /etc/passwd && undo+=("umount /etc/passwd")
  mount --bind group.here /etc/group && undo+=("umount /etc/group")
  sed -i "s|exec sh -c|mount --bind '$PWD/passwd.there' /etc/passwd \&\& mount --bind '$PWD/group.there' /etc/group \&\& &|" rsh
  # shellcheck disable=SC2016  # for the script that it makes
  sed -i '1a [[ -n ${apart-} ]] || apart=yes exec unshare --mount "$0" "$@"' rsh
  mkdir src
  echo one | tee src/alices src/carols src/nobodys >/dev/null
  chown 7001:7001 src/alices
  chown 7003:7003 src/carols
  chown 7009:7009 src/nobodys
  copies 0 -a src/ db2:copy
  [[ $(stat -c %u:%g home/copy/alices) == 8001:8001 ]] || fail "alice's is $(stat -c %u:%g home/copy/alices)'s"
  [[ $(stat -c %u:%g home/copy/carols) == 7003:7003 ]] || fail "carol's, whom nobody knows there"
  [[ $(stat -c %u:%g home/copy/nobodys) == 7009:7009 ]] || fail "that of a number without a name"
  copies 0 -a --numeric-ids src/ db2:numbers
  [[ $(stat -c %u:%g home/numbers/alices) == 7001:7001 ]] || fail "not by number"
  copies 0 -a db2:copy/ back
  [[ $(stat -c %u:%g back/alices) == 7001:7001 ]] || fail "pulled, alice's is $(stat -c %u:%g back/alices)'s"
}
