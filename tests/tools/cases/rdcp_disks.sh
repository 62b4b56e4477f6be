# shellcheck shell=bash
# shellcheck disable=SC2119  # make_rsh without noise
# rdcp and disks that fail: a line for each file, the rest arrives, and the next run brings what was missing and no more.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"
# shellcheck source=tests/tools/disks.bash
source "$cases/../disks.bash"

# Files of both kinds, small and large, on the disk at ./mnt.
make_files_on_disk() {
  local number
  mkdir -p mnt/src/sub
  for number in 1 2 3 4; do make_data 100000 "mnt/src/sub/small$number"; done
  make_data 9000000 mnt/src/large
  make_data 9000001 mnt/src/other
  cp -a mnt/src src
  sync -f mnt
}

forget() { sync -f mnt; echo 3 >/proc/sys/vm/drop_caches; }  # what the page cache has of it

# The sectors of FILE's byte OFFSET fail.
spoil_file() {  # FILE OFFSET
  local block size
  size=$(stat -f -c %S mnt)
  block=$(filefrag -b"$size" -v "$1" | awk -v want="$(($2 / size))" '
    $1 ~ /^[0-9]+:$/ { gsub(/[.:]/, " "); if (want >= $2 && want <= $3) print $4 + want - $2 }')
  [[ -n $block ]] || fail "nobody knows where $1 is"
  spoil $((block * (size / 512))) $((size / 512))
}

rdcp_moved() { [[ $fabric != rdma ]] || echo "$1" >>"$run/moved"; }

test_rdcp_source_disk_fails_in_mid_tree() {
  make_rsh
  mount_disk 64M
  make_files_on_disk
  spoil_file mnt/src/large 5000000
  forget
  copies 23 -a mnt/src/ db2:copy
  (($(grep -cF large copy.err) == 1)) || fail "not one line about large"
  says copy.err "large.*Input/output error"
  absent home/copy/large
  same src/other home/copy/other
  same src/sub/small4 home/copy/sub/small4
  remap <<<"0 $sectors linear $loop 0"
  copies 0 -a --stats mnt/src/ db2:copy
  [[ $(stat_of "Regular files transferred") == 1 ]] || fail "sent again: $(stat_of "Regular files transferred")"
  same_tree src home/copy
  rdcp_moved 27400001
}

test_rdcp_target_disk_fails_in_mid_tree() {
  make_rsh
  mount_disk 64M
  make_files_on_disk
  rm -r mnt/src
  mkdir -p mnt/copy/sub
  echo old >mnt/copy/sub/small1
  forget
  fail_all_writes
  local status=0
  timeout $((40 * scale)) "${copy[@]}" -a --fsync src/ "db2:$PWD/mnt/copy" 2>copy.err </dev/null || status=$?
  ((status == 11 || status == 23)) || { show copy.err; fail "status $status, though nothing reached the disk"; }
  says copy.err "Input/output error|Read-only file system|Structure needs cleaning"
  remap <<<"0 $sectors linear $loop 0"
  umount mnt
  fsck.ext4 -fy "$device" >fsck.out 2>&1 || (($? <= 2)) || fail "$(cat fsck.out)"
  mount "$device" mnt
  if [[ -e mnt/copy/sub/small1 ]]; then
    [[ $(cat mnt/copy/sub/small1) == old ]] || same src/sub/small1 mnt/copy/sub/small1
  fi
  copies 0 -a --fsync src/ "db2:$PWD/mnt/copy"
  same_tree src mnt/copy
}

# Nothing can be renamed from one file system to another: there no part is kept.
test_rdcp_partial_dir_on_another_file_system() {
  make_small_disk 64m
  make_rsh
  mkdir src
  make_data 3000000 src/large
  make_data 3000 src/small
  make_data 100000 small/.large.rdpipe-partial
  copies 0 -r --partial-dir="$PWD/small/parts" src/ db2:copy
  same_tree src home/copy
  [[ -z $(ls -A small/parts) ]] || fail "left behind: $(ls -A small/parts)"
  mkdir -p home/other/parts
  mount --bind small home/other/parts
  undo=("umount -l home/other/parts" "${undo[@]}")
  copies 0 -r --partial-dir=parts src/ db2:other
  same src/large home/other/large
  rdcp_moved 6006000
}

# A disk that forgets what it is given: what the page cache has is right, only who reads past it notices.
test_rdcp_verify_reads_past_the_page_cache() {
  make_rsh
  mount_disk 64M
  mkdir src
  make_data 9000000 src/large
  make_data 70000 src/small
  copies 0 -r --verify src/ "db2:$PWD/mnt/first"  # and what the file system reads of itself is in memory
  remap <<<"0 $sectors flakey $loop 0 0 3600 1 drop_writes" || skip "no flakey device here"
  copies 0 -r src/ "db2:$PWD/mnt/believed"
  same_tree src mnt/believed
  copies 23 -r --verify src/ "db2:$PWD/mnt/checked"
  says copy.err "small.*what was read back differs"
  says copy.err "large.*what was read back differs"
  absent mnt/checked/small
  absent mnt/checked/large
  rdcp_moved 27210000
}
