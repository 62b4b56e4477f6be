# shellcheck shell=bash
# shellcheck disable=SC2119  # make_rsh without noise
# rdcp run again: what moves, what is listed, what is deleted, and what is never deleted.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

test_rdcp_second_run_moves_nothing() {
  make_rsh
  make_random_tree 21 src
  copies 0 -aHAXS src/ db2:copy
  copies 0 -aHAXS -i --stats src/ db2:copy
  ! grep -q '^[<>ch.*]' copy.out || { show copy.out; fail "something changed"; }
  [[ $(stat_of "Regular files transferred") == 0 ]] || fail "files moved"
  equal_trees src home/copy
  [[ $fabric != rdma ]] || echo 100000 >>"$run/moved"
}

# The list of changes in each STEP, as rsync prints it, with OPTIONS.
itemizes_as_rsync() {  # OPTIONS STEP...
  need_rsync
  make_rsh
  make_random_tree 23 src 60
  mkdir theirs home/copy
  touch -d @1 src  # rsync takes two times of the same second for the same
  local options=$1 step
  shift
  for step; do
    if [[ $step == changed ]]; then
      python3 -B "$trees/mutate.py" 5 src
      touch -d @1 src
    fi
    local more=("${options}i")
    [[ $step != deleted ]] || more+=(--delete)
    [[ $step != deleted ]] || touch home/copy/extra theirs/extra
    # Some versions leave DEL as it is.
    LC_ALL=C.UTF-8 rsync -n "${more[@]}" src/ theirs/ | LC_ALL=C sed 's/\x7f/\\#177/g' | LC_ALL=C sort >theirs.list
    copies 0 -n "${more[@]}" src/ db2:copy/
    sed 's/^</>/' copy.out | LC_ALL=C sort >our.list
    # Which of several names is the first is not the same.
    [[ $options != *H* ]] || sed -i -E 's/^(hf|>f).*/\1/; s/ .*=>.*//' theirs.list our.list
    diff -a <(sort theirs.list) <(sort our.list) || fail "$step: other changes"
    [[ $step == again || $step == deleted ]] || absent home/copy/extra
    rsync "$options" src/ theirs/
    copies 0 "$options" src/ db2:copy/
  done
}
# over rdma with --long: what is chosen, not how it moves
test_rdcp_itemizes_as_rsync() { itemizes_as_rsync -aHAX new again deleted; }
# Without -H: what it sends is not what rsync does where a file has got another name.
# over rdma with --long: what is chosen, not how it moves
test_rdcp_itemizes_what_changed_as_rsync() { itemizes_as_rsync -aAX new changed; }
# over rdma with --long: what is chosen, not how it moves
test_rdcp_itemizes_without_times_as_rsync() { itemizes_as_rsync -rlpgoD new again changed; }
# over rdma with --long: what is chosen, not how it moves
test_rdcp_itemizes_digests_as_rsync() { itemizes_as_rsync -ac new again changed; }

# over rdma with --long: what is said, not how it moves
test_rdcp_list_that_cannot_be_written() {
  make_rsh
  mkdir src
  echo one >src/one
  local status=0
  "${copy[@]}" -rv src/ missing db2:copy/ >/dev/full 2>copy.err || status=$?
  ((status == 11)) || { show copy.err; fail "status $status, not 11"; }
  says copy.err '^rdcp: 1 failed'
  says copy.err '^rdcp: error: write the list: No space left on device$'
  says copy.err '^rdcp: hint: the copy has been made'
  holds home/copy/one one
}

# over rdma with --long: what is said, not how it moves
test_rdcp_lists_names_when_verbose() {
  make_rsh
  mkdir -p src/sub
  echo one >src/sub/one
  copies 0 -rv src/ db2:copy
  says copy.out '^sub/one$'
  says copy.err '1 file'
  copies 0 -rvq -I src/ db2:copy
  [[ ! -s copy.out && ! -s copy.err ]] || { show copy.out copy.err; fail "it is not quiet"; }
  copies 0 -r --out-format='= %n' --no-i -I src/ db2:copy
  says copy.out '^= sub/one$'
  copies 0 -rvi --no-v --no-i -I src/ db2:copy
  [[ ! -s copy.out && ! -s copy.err ]] || { show copy.out copy.err; fail "it says something"; }
}

# over rdma with --long: nothing moves
test_rdcp_dry_run_does_nothing() {
  make_rsh
  make_random_tree 22 src 50
  copies 0 -aHAXn -i --delete src/ db2:copy
  grep -q . copy.out || fail "nothing is listed"
  absent home/copy
  mkdir home/copy
  echo extra >home/copy/extra
  list_tree home/copy >before
  copies 0 -aHAXn -i --delete src/ db2:copy
  says copy.out '\*deleting +extra'
  diff before <(list_tree home/copy) || fail "it did something"
}

# over rdma with --long: what is deleted is not sent
test_rdcp_delete_only_what_the_source_lacks() {
  make_rsh
  make_tree src
  copies 0 -a src/ db2:copy
  mkdir -p home/copy/sub/more/below home/beside
  echo extra | tee home/copy/extra home/copy/sub/more/below/extra home/beside/extra >/dev/null
  ln -s ../../beside home/copy/sub/way-out
  copies 0 -a src/ db2:copy
  [[ -e home/copy/extra ]] || fail "deleted without --delete"
  copies 0 -a --delete src/ db2:copy
  same_tree src home/copy
  holds home/beside/extra extra
}

# over rdma with --long: what is deleted is not sent
test_rdcp_delete_stops_where_the_source_could_not_be_read() {
  make_rsh
  make_tree src
  mkdir src/shut
  echo inside >src/shut/file
  copies 0 -a src/ db2:copy
  echo extra | tee home/copy/extra home/copy/shut/extra >/dev/null
  become_nobody
  chmod -R a+rwX src
  chown -R nobody home
  chmod 000 src/shut
  copy=("${wrap[@]}" "${copy[@]}")
  copies 23 -rt --delete src/ db2:copy
  holds home/copy/shut/file inside
  holds home/copy/shut/extra extra
  # rsync deletes nothing at all then.
  holds home/copy/extra extra
}

# What is shut to its owner is deleted all the same, as by rsync, and has its mode again where something of it stays.
# What is shut to us stays, and that is said.
# Nor is anything deleted once the content of a file could not be read, be it small or large.
# over rdma with --long: what is deleted is not sent
test_rdcp_delete_stops_where_a_file_could_not_be_read() {
  make_rsh
  mkdir -p src/sub
  echo small >src/sub/small
  make_data 300001 src/sub/large
  echo readable >src/readable
  become_nobody
  copies 0 -rt src/ db2:copy
  echo extra | tee home/copy/extra home/copy/sub/extra >/dev/null
  chown -R nobody src home
  local name
  copy=("${wrap[@]}" "${copy[@]}")
  for name in small large; do
    chmod 644 src/sub/small src/sub/large
    chmod 000 "src/sub/$name"
    touch "src/sub/$name"
    copies 23 -rt --delete src/ db2:copy
    says copy.err "sub/$name': Permission denied"
    holds home/copy/sub/extra extra
    holds home/copy/extra extra
  done
  chmod 644 src/sub/large
  copies 0 -rt --delete src/ db2:copy
  absent home/copy/sub/extra
  absent home/copy/extra
}

# over rdma with --long: what is deleted is not sent
test_rdcp_delete_in_directories_that_are_shut() {
  make_rsh
  mkdir -p src home/copy/{own/in,shut,kept/in,theirs,place/in,barred}
  echo extra | tee home/copy/{own/in,shut,kept/in,theirs,place/in,barred}/extra >/dev/null
  echo keep >home/copy/kept/keep.o
  echo file | tee src/place src/barred >/dev/null
  become_nobody
  chown -R nobody home src
  chmod 555 home/copy/own{/in,} home/copy/place{/in,} home/copy/kept{/in,}
  chmod 000 home/copy/shut
  chown root home/copy/theirs home/copy/barred
  chmod 700 home/copy/theirs home/copy/barred
  copy=("${wrap[@]}" "${copy[@]}")
  copies 23 -r --delete --exclude='*.o' src/ db2:copy
  absent home/copy/own
  absent home/copy/shut
  absent home/copy/kept/in
  holds home/copy/kept/keep.o keep
  [[ $(stat -c %a home/copy/kept) == 555 ]] || fail "mode $(stat -c %a home/copy/kept) of what stays"
  holds home/copy/place file
  says copy.err "/theirs': list it: Permission denied"
  says copy.err "/barred': list it: Permission denied"
  (($(grep -c "': " copy.err) == 2)) || { show copy.err; fail "not a line for each"; }
  holds home/copy/theirs/extra extra
  holds home/copy/barred/extra extra
}

# over rdma with --long: what is deleted is not sent
test_rdcp_delete_stops_for_a_missing_source() {
  make_rsh
  mkdir -p src home/copy
  echo keep >home/copy/keep
  local status=0
  timeout 40 "${copy[@]}" -a --delete nowhere/ db2:copy 2>copy.err || status=$?
  ((status != 0)) || fail "a missing source is no error"
  holds home/copy/keep keep
}

# What the first source brings into a directory that the second has too, the second would take for extra.
# over rdma with --long: what is deleted is not sent
test_rdcp_delete_refuses_sources_that_meet() {
  make_rsh
  mkdir -p one/sub two/sub home/copy/sub
  echo one >one/sub/of-one
  echo two >two/sub/of-two
  echo keep >home/copy/sub/keep
  copies 1 -a --delete one/ two/ db2:copy
  says copy.err "contents of one source.*another"
  holds home/copy/sub/keep keep
  copies 1 -a --delete one/ two/ here
  cp -a one two home
  copies 1 -a --delete db2:one/ db2:two/ here
  says copy.err "contents of one source.*another"
  absent here
  copies 0 -a one/ two/ db2:copy
  holds home/copy/sub/of-one one
  holds home/copy/sub/of-two two
}

# A group that is not one of the user's is neither set nor listed as a change, again and again.
# tcp only: nothing moves
test_rdcp_groups_of_others() {
  make_rsh
  make_tree src
  mkdir src/mine
  echo mine >src/mine/file
  echo other >src/other
  become_nobody
  wrap=("${wrap[@]/--clear-groups/--groups=12345}")
  chown -R nobody:root src
  chown nobody home
  chgrp -R 12345 src/mine
  copy=("${wrap[@]}" "${copy[@]}")
  copies 0 -rltpg -i src/ db2:copy
  [[ $(stat -c %g home/copy/mine home/copy/mine/file home/copy/other | xargs) == "12345 12345 65534" ]] ||
    fail "groups $(stat -c '%n %g' home/copy/mine{,/file} home/copy/other)"
  copies 0 -rltpg -i src/ db2:copy
  [[ ! -s copy.out ]] || { show copy.out; fail "something is changed again"; }
  chgrp 65534 home/copy/mine/file  # back to one of theirs
  copies 0 -rltpg -i src/ db2:copy
  says copy.out '^\.f\.+g\.+ mine/file$'
  (($(wc -l <copy.out) == 1)) || { show copy.out; fail "more than a group is changed"; }
  [[ $(stat -c %g home/copy/mine/file) == 12345 ]] || fail "its group is not set"
}

# over rdma with --long: what is deleted is not sent
test_rdcp_max_delete() {
  make_rsh
  mkdir -p src home/copy
  echo one >src/one
  local number
  for number in 1 2 3 4 5; do echo extra >"home/copy/extra$number"; done
  copies 25 -a --delete --max-delete=2 src/ db2:copy
  (($(find home/copy -name 'extra*' | wc -l) == 3)) || fail "not two were deleted"
  same src/one home/copy/one
}

# over rdma with --long: what is deleted is not sent
test_rdcp_excluded_files_are_not_deleted() {
  make_rsh
  mkdir -p src home/copy
  echo one >src/one
  echo keep | tee home/copy/keep.o src/source.o >/dev/null
  echo extra >home/copy/extra
  copies 0 -a --delete --exclude='*.o' src/ db2:copy
  holds home/copy/keep.o keep
  absent home/copy/extra
  absent home/copy/source.o
  copies 0 -a --delete-excluded --exclude='*.o' src/ db2:copy
  absent home/copy/keep.o
}

# The times of the files in DIRECTORY; those that nobody has set are the time of the copy, which is not the same twice.
times_in() {  # DIRECTORY
  (cd "$1" && find . -type f -printf '%P %T@\n' | sort) | awk -v now="$EPOCHSECONDS" '$2 > now - 600 { $2 = "now" } 1'
}

# What decides whether a file moves, against rsync's.
# tcp only: what is chosen, not how it moves
# limit 120
test_rdcp_decisions_are_those_of_rsync() {
  need_rsync
  make_rsh
  local options failed=no
  while IFS= read -r options; do
    rm -rf src theirs home/copy
    mkdir -p src/sub theirs home
    local name
    for name in same newer older size sub/new; do echo "source $name" >"src/$name"; done
    for name in same newer older; do echo "target $name" >"theirs/$name"; done
    echo "other size here" >theirs/size
    touch -d @1000000000 src/same theirs/same src/newer theirs/older src/size theirs/size
    touch -d @1100000000 theirs/newer src/older
    echo extra >theirs/extra
    cp -a theirs home/copy
    # shellcheck disable=SC2086  # words
    rsync -a $options src/ theirs/
    # shellcheck disable=SC2086
    copies 0 -a $options src/ db2:copy/
    diff <(list_tree theirs) <(list_tree home/copy) || { echo "not as rsync -a $options"; failed=yes; }
    diff <(times_in theirs) <(times_in home/copy) ||
      { echo "times are not as rsync -a $options"; failed=yes; }
  done <<'EOT'

-I
-c
-u
--size-only
--existing
--ignore-existing
--existing --ignore-existing
--delete
--delete -u
-b
-b --suffix=.old
--backup-dir=old
--backup-dir=old --delete
--backup-dir=old --suffix=~
--backup-dir=old --suffix=
--backup-dir=. --suffix=~ --delete
--no-t
--no-t -c
EOT
  [[ $failed == no ]] || fail "see above"
}

# -u is for files in the place of files: everything else is replaced whatever its time.
# over rdma with --long: what is chosen, not how it moves
test_rdcp_updates_what_is_no_file_as_rsync() {
  need_rsync
  make_rsh
  local options name failed=no
  for options in -u "-u --delete" "-u -c" "-H -u"; do
    rm -rf src theirs home/copy
    mkdir -p src theirs home
    for name in newer older file-where-symlink file-where-fifo; do echo "source $name" >"src/$name"; done
    for name in newer older symlink-where-file fifo-where-file; do echo "target $name" >"theirs/$name"; done
    for name in symlink symlink-where-file; do ln -s source "src/$name"; done
    for name in symlink file-where-symlink; do ln -s target "theirs/$name"; done
    mkfifo -m 644 src/fifo src/fifo-where-file
    mkfifo -m 600 theirs/fifo theirs/file-where-fifo
    touch -h -d @1000000000 src/*
    touch -h -d @1100000000 theirs/* src/older
    touch -d @1000000000 theirs/older
    cp -a theirs home/copy
    # shellcheck disable=SC2086  # words
    rsync -a $options src/ theirs/
    # shellcheck disable=SC2086
    copies 0 -a $options src/ db2:copy/
    diff <(list_tree theirs) <(list_tree home/copy) || { echo "not as rsync -a $options"; failed=yes; }
    diff <(list_times theirs) <(list_times home/copy) || { echo "times are not as rsync -a $options"; failed=yes; }
  done
  [[ $failed == no ]] || fail "see above"
  holds home/copy/newer "target newer"
  holds home/copy/older "source older"
  [[ $(readlink home/copy/symlink) == source && -p home/copy/fifo-where-file ]] || fail "something is held back"
}
list_times() { (cd "$1" && find . -mindepth 1 -printf '%y %P %T@\n' | LC_ALL=C sort); }  # DIRECTORY

# over rdma with --long: sources
test_rdcp_removes_source_files_that_are_in_place() {
  make_rsh
  make_tree src
  cp -a src before
  copies 0 -a --remove-source-files src/ db2:copy
  same_tree before home/copy
  [[ -z $(find src ! -type d) ]] || fail "left: $(find src ! -type d)"
  [[ -d src/sub/deeper ]] || fail "a directory was removed"
}

# A hundred sources, each of which takes long to remove at the other end.
slow_removals() {  # MICROSECONDS
  type -P strace >/dev/null || skip "strace is not installed"
  strace -qq -o calls -e trace=unlinkat -e inject=unlinkat:delay_enter=1 true 2>/dev/null || skip "nothing can be traced here"
  make_rsh
  printf '#!/bin/sh\nexec strace -f -qq -o "%s.$$" -e trace=unlinkat -e inject=unlinkat:delay_enter=%d "%s" "$@"\n' \
    "$PWD/calls" "$1" "$bin/rdcp" >rdcp
  chmod +x rdcp
  copy+=(--rdcp-path "$PWD/rdcp")
}
make_hundred() { mkdir src; for number in {1..100}; do echo "$number" >"src/$number"; done; }

# However long it takes: nobody ends it meanwhile.
# over rdma with --long: what is removed, not how it moves
# limit 120
test_rdcp_waits_for_slow_removals() {
  local way number
  slow_removals 80000
  for way in pull between; do
    rm -rf src home/copy
    make_hundred
    if [[ $way == pull ]]; then
      copies 0 -a --remove-source-files "db2:$PWD/src/" home/copy
    else
      copies 0 -a --remove-source-files "db1:$PWD/src/" db2:copy
    fi
    [[ -z $(find src -type f) ]] || fail "$way: $(find src -type f | wc -l) sources are left"
    (($(find home/copy -type f | wc -l) == 100)) || fail "$way: not all arrived"
  done
}

# But who is told to end does, and what is not removed by then stays.
# over rdma with --long: what is removed, not how it moves
test_rdcp_signal_while_sources_are_removed() {
  local number tries=0 left
  slow_removals 100000
  make_hundred
  start "${copy[@]}" -a --remove-source-files "db2:$PWD/src/" home/copy 2>copy.err
  local copying=${started[-1]}
  until left=$(find src -type f | wc -l) && ((left < 100)); do
    ((tries++ < 1500 * scale)) || { show copy.err; fail "nothing is removed"; }
    pause 0.02
  done
  kill -TERM "$copying"
  await_end "$copying" 15
  ((status == 20)) || { show copy.err; fail "status $status, not 20"; }
  pause 3
  left=$(find src -type f | wc -l)
  pause 1
  ((left > 0 && left == $(find src -type f | wc -l))) || fail "the other end went on"
  (($(find home/copy -type f | wc -l) == 100)) || fail "not all arrived"
}

# What the destination leaves as it is stays at the source too, as rsync has it.
# over rdma with --long: what is chosen, not how it moves
# limit 120
test_rdcp_removes_the_sources_that_rsync_does() {
  need_rsync
  make_rsh
  local options name failed=no
  while IFS= read -r options; do
    rm -rf start src theirs theirs.src home/copy
    mkdir -p start/sub start/there theirs/there home
    for name in same newer older new sub/new there/new; do echo "source $name" >"start/$name"; done
    ln start/new start/new-too
    ln -s same start/symlink
    ln -s same start/other-symlink
    mkfifo start/fifo
    for name in newer older; do echo "target $name" >"theirs/$name"; done
    cp start/same theirs/same
    ln -s elsewhere theirs/other-symlink
    touch -h -d @1000000000 start/same theirs/same start/newer theirs/older start/other-symlink
    touch -h -d @1100000000 theirs/newer start/older
    touch -h -d @900000000 theirs/other-symlink
    cp -a theirs home/copy
    cp -a start theirs.src
    cp -a start src
    # shellcheck disable=SC2086  # words
    rsync -a --remove-source-files $options theirs.src/ theirs/
    # shellcheck disable=SC2086
    copies 0 -a --remove-source-files $options src/ db2:copy/
    diff <(list_names theirs.src) <(list_names src) || { echo "not as rsync -a $options"; failed=yes; }
    diff <(list_names theirs) <(list_names home/copy) || { echo "other copies than rsync -a $options"; failed=yes; }
  done <<'EOT'

-H
-I
-u
-H -u
--existing
-H --existing
--ignore-existing
-H --ignore-existing
-n
EOT
  [[ $failed == no ]] || fail "see above"
}
list_names() { (cd "$1" && find . -printf '%y %P\n' | LC_ALL=C sort); }  # DIRECTORY
