# shellcheck shell=bash
# shellcheck disable=SC2119  # make_rsh without noise
# Trees of which not everything can be copied: a line for each, the rest goes on, and the status says so.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

as_nobody() {
  become_nobody
  chmod -R a+rwX .
  copy=("${wrap[@]}" "${copy[@]}")
}

# One line of copy.err is about NAME.
one_line_about() {  # NAME [REGEX]
  (($(grep -cF -- "$1" copy.err) == 1)) || { show copy.err; fail "not one line about $1"; }
  grep -F -- "$1" copy.err | grep -qiE -- "${2:-.}" || { show copy.err; fail "the line about $1 does not say $2"; }
}

# over rdma with --long: errors of files
test_rdcp_unreadable_files_and_directories() {
  make_rsh
  make_tree src
  echo secret >src/sub/secret
  mkdir src/shut
  echo inside >src/shut/file
  as_nobody
  chmod 000 src/sub/secret src/shut
  local way
  for way in push pull; do
    rm -rf home/copy
    if [[ $way == push ]]; then copies 23 -a src/ db2:copy; else copies 23 -a "db2:$PWD/src/" home/copy; fi
    one_line_about sub/secret 'denied'
    one_line_about src/shut 'denied'
    says copy.err '2 failed'
    absent home/copy/sub/secret
    same src/sub/two home/copy/sub/two
    same src/sub/deeper/a* home/copy/sub/deeper/a*
  done
}

# over rdma with --long: errors of files
test_rdcp_unwritable_directories() {
  make_rsh
  make_tree src
  mkdir -p home/copy/sub home/copy/other
  echo theirs >home/copy/sub/two
  as_nobody
  chown -R root home/copy/sub
  chmod 755 home/copy/sub
  copies 23 -r src/ db2:copy
  one_line_about two 'denied'
  holds home/copy/sub/two theirs
  same src/one home/copy/one
  no_temporaries
}

# over rdma with --long: errors of files
test_rdcp_umask_that_shuts_its_own_directories() {
  make_rsh
  make_tree src
  as_nobody
  umask 0277
  copies 0 -r --mkpath src db2:one/two/
  umask 022
  same_tree src home/one/two/src
}

# Not even the one that the kernel lets anybody make.
# over rdma with --long: errors of files
test_rdcp_devices_without_root() {
  make_rsh
  mkdir -p src home/copy/place
  echo one >src/one
  echo keep >home/copy/place/keep
  as_nobody
  mknod src/null c 1 3 2>/dev/null || skip "may make no devices here"
  mknod src/place c 0 0 2>/dev/null || skip "may make no such device here"
  copies 23 -rD --delete src/ db2:copy
  one_line_about /null 'not permitted'
  one_line_about /place 'not permitted'
  absent home/copy/null
  holds home/copy/place/keep keep
  holds home/copy/one one
}

# over rdma with --long: errors of files
test_rdcp_file_in_place_of_a_full_directory() {
  make_rsh
  mkdir -p src home/copy/taken
  echo one >src/one
  echo two >src/taken
  echo keep >home/copy/taken/keep
  copies 23 -a src/ db2:copy
  one_line_about taken
  holds home/copy/taken/keep keep
  same src/one home/copy/one
  copies 0 -a --delete src/ db2:copy
  same src/taken home/copy/taken
}

# over rdma with --long: errors of files
test_rdcp_missing_source() {
  make_rsh
  echo one >one
  mkdir home/into
  copies 23 one nowhere db2:into
  one_line_about nowhere 'no such file'
  holds home/into/one one
}

# The large file goes first: what is deleted meanwhile was listed, and is not there any more.
# over rdma with --long: one way of reading files
test_rdcp_vanished_file() {
  make_rsh
  mkdir -p src/sub
  head -c 400000000 /dev/zero >src/large
  echo gone >src/sub/gone
  echo here >src/sub/here
  (
    while [[ -z $(find home -name '.large.rdpipe-*' -size +1M 2>/dev/null) ]]; do pause 0.002; done
    rm src/sub/gone
  ) &
  started+=("$!")
  copies 24 -a src/ db2:copy
  one_line_about gone 'vanish|no such file'
  holds home/copy/sub/here here
  same src/large home/copy/large
}

# A disk that is full ends the copy; what is in place stays there, and the next run sends only the rest.
# over rdma with --long: errors of files
test_rdcp_full_disk_and_again() {
  make_rsh
  make_small_disk 8M
  mkdir -p src/sub/deeper
  local number
  for number in 1 2 3 4 5 6 7 8; do make_data 1500000 "src/sub/deeper/$number"; done
  make_data 100 src/small
  copies 11 -a src/ "db2:$PWD/small/copy"
  says copy.err '^rdcp: error: .*No space left on device'
  (($(grep -c '^rdcp: error: ' copy.err) == 1)) || fail "more than one error"
  for number in 1 2 3 4 5 6 7 8; do
    [[ ! -e small/copy/sub/deeper/$number ]] || same "src/sub/deeper/$number" "small/copy/sub/deeper/$number"
  done
  no_temporaries
  local had
  had=$(find small/copy -type f | wc -l)
  mount -o remount,size=64M small
  copies 0 -a --stats src/ "db2:$PWD/small/copy"
  same_tree src small/copy
  (($(stat_of "Regular files transferred") == 9 - had)) || fail "$had were there, $(stat_of "Regular files transferred") were sent"
}

# over rdma with --long: errors of files
test_rdcp_source_that_grows() {
  make_rsh
  mkdir src
  echo start >src/log
  (while echo "another line that makes it longer" >>src/log; do :; done) &
  started+=("$!")
  local status=0 turn
  for turn in 1 2 3 4 5; do
    status=0
    timeout 40 "${copy[@]}" -a src/ db2:copy 2>copy.err </dev/null || status=$?
    ((status == 0 || status == 23)) || { show copy.err; fail "status $status"; }
    # What is there is the beginning of the file.
    [[ ! -e home/copy/log ]] || cmp -n "$(stat -c %s home/copy/log)" src/log home/copy/log || fail "mixed in turn $turn"
  done
}

# What cannot be removed is found out when everything is in place: a line all the same, wherever the sender is.
# over rdma with --long: errors of files
test_rdcp_failures_to_remove_sources() {
  make_rsh
  mkdir -p src/shut
  echo two | tee src/shut/two src/shut/three >/dev/null
  as_nobody
  chmod 555 src/shut
  local way
  for way in push pull between local; do
    rm -rf home/copy
    echo one >src/one
    case $way in
      push) copies 23 -rt --remove-source-files src/ db2:copy ;;
      pull) copies 23 -rt --remove-source-files "db2:$PWD/src/" home/copy ;;
      between) copies 23 -rt --remove-source-files "db1:$PWD/src/" db2:copy ;;
      local) copies 23 -rt --remove-source-files src/ home/copy ;;
    esac
    one_line_about src/shut/two 'remove .*denied'
    one_line_about src/shut/three 'remove .*denied'
    says copy.err '2 failed'
    absent src/one
    holds home/copy/one one
    same src/shut/two home/copy/shut/two
  done
}

# What is found to be the same already is the source itself.
# tcp only: moves nothing
test_rdcp_source_that_is_its_own_copy() {
  make_rsh
  mkdir -p dir
  echo one >dir/one
  ln dir/one dir/other
  ln -s one dir/link
  local options
  for options in -a -aI -aH -aL; do
    copies 23 "$options" --remove-source-files dir/ dir
    one_line_about dir/one 'own copy'
    holds dir/one one
    holds dir/other one
  done
  ln -sf one dir/link
  copies 23 --remove-source-files dir/one dir/link
  holds dir/one one
  copies 0 --remove-source-files dir/one dir/two
  absent dir/one
  holds dir/two one
  # Two names for one host are one host.
  mkdir -p home/sub
  echo one | tee home/one home/sub/two >/dev/null
  local way
  for way in "$PWD/home/|db2:." "db1:$PWD/home/|home" "db1:$PWD/home/|db2:."; do
    copies 23 -a --remove-source-files "${way%|*}" "${way#*|}"
    says copy.err 'one.*own copy'
    says copy.err 'sub/two.*own copy'
    holds home/one one
    holds home/sub/two one
  done
}

# What NFS and its like find out when a file is closed counts as a failure to write it.
# over rdma with --long: what is written, not how it moves
test_rdcp_close_fails() {
  type -P strace >/dev/null || skip "strace is not installed"
  mkdir src copy
  local i
  for ((i = 0; i < 100; i++)); do echo "$i" >"src/$i"; done
  strace -qq -o calls true 2>/dev/null || skip "nothing can be traced here"
  # By then it has started, and closes many of its targets yet.
  local status=0
  timeout 40 strace -f -qq -o calls -e trace=close -e inject=close:error=EDQUOT:when=60+ \
    "$bin/rdcp" -a --remove-source-files src/ copy/ >copy.out 2>copy.err </dev/null || status=$?
  ((status == 11)) || { show copy.err; fail "status $status"; }
  says copy.err 'quota'
  (($(find src -type f | wc -l) == 100)) || fail "a source is gone"
  no_temporaries
}

# tcp only: nothing moves
test_rdcp_deletes_no_source_in_the_destination() {
  mkdir a
  echo one >a/one
  copy=("$bin/rdcp")
  copies 1 -a --delete a/ .
  says copy.err 'deleted itself'
  copies 1 -a --delete "$PWD/a/" "$PWD/"
  holds a/one one
  mkdir b
  copies 0 -a --delete a/ b
  copies 1 -b --suffix=/x a/one b
  says copy.err 'suffix'
}

# Content arrives also where not all attributes can be set, with no right that was another owner's or group's.
# over rdma with --long: what is written, not how it moves
test_rdcp_owner_that_cannot_be_set() {
  need_root
  type -P setpriv >/dev/null || skip "setpriv is not installed"
  local way
  mkdir src
  echo small >src/small
  make_data 300001 src/large
  make_data 300002 src/group
  ln src/small src/name
  chown 1234:1234 src/small src/large
  chown 1234:0 src/group
  chmod 6775 src/small
  chmod 664 src/large src/group
  for way in -a --verify; do  # by the kernel, and through the ring
    rm -rf dst
    mkdir dst
    echo old | tee dst/small >dst/large
    copy=(setpriv --bounding-set=-chown "$bin/rdcp")
    copies 23 -aHX "$way" --remove-source-files src/ dst
    (($(grep -c "set its owner: Operation not permitted (its content is in place)" copy.err) == 3)) ||
      { show copy.err; fail "not a line for each"; }
    same_tree src dst
    [[ dst/small -ef dst/name ]] || fail "the hard link is missing"
    [[ $(stat -c %u:%g:%a dst/small dst/large dst/group | xargs) == "0:0:705 0:0:604 0:0:664" ]] ||
      fail "$(stat -c '%n %u:%g:%a' dst/*)"
  done
  copy=("$bin/rdcp")
  copies 0 -aHX src/ dst
  [[ $(stat -c %u:%a dst/small dst/large | xargs) == "1234:6775 1234:664" ]] || fail "not made good"
}

# The same of directories, symlinks and FIFOs, and of a file that is there already: its hard links are made.
# over rdma with --long: what is written, not how it moves
test_rdcp_owner_of_others_that_cannot_be_set() {
  need_root
  type -P setpriv >/dev/null || skip "setpriv is not installed"
  mkdir -p src/dir dst
  echo inside >src/dir/file
  ln -s target src/link
  mkfifo src/fifo
  echo same | tee src/same dst/same >dst/name
  ln src/same src/name
  chown -h 1234:1234 src/{dir,link,fifo,same}
  chmod 2775 src/dir
  chmod 664 src/fifo src/same
  touch -h -d @1000000000 src/{dir,link,fifo,same} dst/{same,name}
  copy=(setpriv --bounding-set=-chown "$bin/rdcp")
  copies 23 -aH src/ dst
  (($(grep -c "set its owner: Operation not permitted" copy.err) == 4)) || { show copy.err; fail "not a line for each"; }
  (($(grep -cE "(link|fifo)': .*(it is in place)" copy.err) == 2)) || { show copy.err; fail "not in place"; }
  [[ dst/same -ef dst/name ]] || fail "the hard link is missing"
  [[ $(stat -c %u:%g:%a:%Y dst/dir dst/fifo dst/same | xargs) == \
    "0:0:705:1000000000 0:0:604:1000000000 0:0:604:1000000000" ]] || fail "$(stat -c '%n %u:%g:%a:%Y' dst/*)"
  [[ $(readlink dst/link) == target && $(stat -c %Y dst/link) == 1000000000 ]] || fail "not the symlink"
  holds dst/dir/file inside
  copy=("$bin/rdcp")
  copies 0 -aH src/ dst
  [[ $(stat -c %u:%a dst/dir dst/fifo dst/same | xargs) == "1234:2775 1234:664 1234:664" ]] || fail "not made good"
  [[ $(stat -c %u dst/link) == 1234 ]] || fail "the symlink is not made good"
}

# over rdma with --long: what is written, not how it moves
test_rdcp_attributes_that_cannot_be_set() {
  type -P setfattr setfacl >/dev/null || skip "needs setfattr and setfacl"
  may_mount || skip "may not mount here"
  mkdir src dst
  mount -t ramfs ramfs dst 2>/dev/null || skip "no ramfs here"
  undo+=("umount -l dst")
  make_data 300001 src/colour
  echo shared >src/shared
  chmod 664 src/colour
  setfattr -n user.colour -v blue src/colour || skip "no user attributes here"
  setfacl -m u:12345:rw src/shared || skip "no ACLs here"
  copy=("$bin/rdcp")
  copies 23 -aAX src/ dst
  (($(grep -c "set its extended attributes: .*(its content is in place)" copy.err) == 2)) ||
    { show copy.err; fail "not a line for each"; }
  same_tree src dst
  [[ $(stat -c %a dst/colour dst/shared | xargs) == "664 604" ]] || fail "$(stat -c '%n %a' dst/*)"
}
