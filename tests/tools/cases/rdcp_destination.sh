# shellcheck shell=bash
# shellcheck disable=SC2119  # make_rsh without noise
# Where rdcp puts what it copies: the rules of cp and scp, held against cp itself, and rsync's for a trailing slash.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

# What there is before each copy.
lay_out() {  # DIRECTORY
  rm -rf "$1"
  mkdir -p "$1"/{dir/sub,there/dir,into}
  echo one >"$1/one"
  echo two >"$1/two"
  echo below >"$1/dir/sub/below"
  echo old >"$1/there/dir/old"
  echo file >"$1/file"
  ln -s into "$1/link-to-into"
  ln -s nowhere "$1/dangling"
}

# Runs `cp -a` in ./theirs and rdcp in ./home, with the same words: both succeed, or both fail, and what is there then is the
# same. HOW: "local", "push" or "pull".
same_as_cp() {  # HOW WORD...
  local how=$1 words=("${@:2}") expected=0 status=0 word
  lay_out theirs
  lay_out home
  (cd theirs && cp -a "${words[@]}") >cp.err 2>&1 || expected=$?
  local all=() operands=() to='' from='' target
  [[ $how != push ]] || to=h:
  [[ $how != pull ]] || from=h:
  for word in "${words[@]}"; do
    case $word in
      -T) all+=(--no-target-directory) ;;
      -t*) target=${word#-t}; all+=("--target-directory=$to$target") ;;
      *) operands+=("$from$word") ;;
    esac
  done
  [[ -n ${target-} ]] || operands[-1]=$to${words[-1]}
  all+=("${operands[@]}")
  (cd home && timeout 40 "${copy[@]}" -a "${all[@]}") >copy.out 2>copy.err </dev/null || status=$?
  if ((expected == 0)); then
    ((status == 0)) || { show copy.err; fail "$how: rdcp -a ${all[*]}: status $status, cp succeeds"; }
  else
    ((status != 0)) || fail "$how: rdcp -a ${all[*]} succeeds, cp: $(<cp.err)"
    says copy.err '^rdcp: '
  fi
  diff <(list_tree theirs) <(list_tree home) || fail "$how: rdcp -a ${all[*]} is not as cp -a ${words[*]}"
}

# tcp only: what is chosen, not how it moves
# limit 240
test_rdcp_destination_rules_are_those_of_cp() {
  make_rsh
  copy[3]=../rsh
  local how line failed=no
  for how in local push pull; do
    while IFS= read -r line; do
      [[ -n $line ]] || continue
      # A row that fails does not hide the others.
      # shellcheck disable=SC2086  # words
      (same_as_cp "$how" $line) || failed=yes
    done <<'EOT'
one new
one file
one into
one into/
one into/new
one there/dir
one absent/new
one dir/sub/below
one link-to-into
one link-to-into/
one two into
one two dir into
one two new
one two file
one dir into
dir new
dir new/
dir into
dir into/
dir there
dir file
dir absent/new
dir link-to-into
dir/sub into
dir/. into
dir/. new
dir/sub/.. into
link-to-into new
dangling new
dangling into
one dangling into
nowhere new
nowhere one into
-T dir into
-T dir new
-T one new
-T one file
-T one into
-T dir file
-tinto one
-tinto one two dir
-tnew one
-tfile one
EOT
  done
  [[ $failed == no ]] || fail "see above"
}

# A trailing slash on a source: its contents, as rsync has it.
# over rdma with --long: what is chosen, not how it moves
test_rdcp_contents_of_a_source_as_rsync() {
  need_rsync
  make_rsh
  copy[3]=../rsh
  local line failed=no
  while IFS= read -r line; do
    lay_out theirs
    lay_out home
    # shellcheck disable=SC2086  # words
    (cd theirs && rsync -a $line) || fail "rsync -a $line"
    # shellcheck disable=SC2086
    (cd home && timeout 40 "${copy[@]}" -a ${line% *} "h:${line##* }") 2>copy.err || { show copy.err; failed=yes; }
    diff <(list_tree theirs) <(list_tree home) || { echo "not as rsync -a $line"; failed=yes; }
  done <<'EOT'
dir/ into
dir/ into/
dir/ new
dir/ new/
dir/ there/ into
dir/sub/ one into
dir/. there
dir/sub/.. new
EOT
  [[ $failed == no ]] || fail "see above"
}

# What is shut in one source is open to what comes of the other, and has its mode in the end.
test_rdcp_contents_meet_in_directories_that_are_shut() {
  make_rsh
  mkdir -p one/{both,only} two/both/sub
  echo one | tee one/both/of-one >one/only/file
  echo two | tee two/both/of-two two/both/sub/file >two/file
  make_data 300001 two/both/large
  become_nobody
  umask 022
  chown -R nobody one two home
  chmod 555 one{,/both,/only} two{,/both{,/sub}}
  copy=("${wrap[@]}" "${copy[@]}")
  local options
  for options in -rtp -rt; do
    rm -rf home/copy
    copies 0 "$options" one/ two/ db2:copy
    holds home/copy/both/of-one one
    holds home/copy/only/file one
    holds home/copy/both/of-two two
    holds home/copy/both/sub/file two
    same two/both/large home/copy/both/large
    [[ $(stat -c %a home/copy{,/both{,/sub},/only} | xargs) == "555 555 555 555" ]] ||
      fail "$(stat -c '%n %a' home/copy{,/both{,/sub},/only})"
    copies 0 "$options" -i one/ two/ db2:copy
    ! grep -q '^[<>ch]' copy.out || { show copy.out; fail "something moved again"; }
    [[ $(stat -c %a home/copy{,/both{,/sub},/only} | xargs) == "555 555 555 555" ]] || fail "other modes again"
  done
  [[ $fabric != rdma ]] || echo 600002 >>"$run/moved"
}

# over rdma with --long: rules, not bytes
test_rdcp_directory_without_r() {
  make_rsh
  lay_out home
  (cd home && timeout 40 "$bin/rdcp" dir one into) 2>copy.err && fail "a directory went without -r"
  says copy.err "^rdcp: 'dir'.*-r"
  holds home/into/one one
  absent home/into/dir
}

# over rdma with --long: rules, not bytes
test_rdcp_mkpath() {
  make_rsh
  lay_out home
  copies 0 --mkpath home/one db2:a/b/c/
  holds home/a/b/c/one one
  copies 0 --mkpath home/one db2:x/y/name
  holds home/x/y/name one
  lay_out home
  local status=0
  timeout 40 "${copy[@]}" home/one db2:a/b/c/ 2>copy.err || status=$?
  ((status != 0)) || fail "a path was made without --mkpath"
  absent home/a
}

# What is no file is not replaced by one, also where a symlink leads to it.
# tcp only: nothing moves
test_rdcp_device_or_fifo_as_destination() {
  make_rsh
  need_root
  echo new >file
  mkfifo home/fifo
  mknod home/null c 1 3 || skip "no device can be made here"
  ln -s null home/link
  local name more
  for name in fifo null link; do
    for more in "" --inplace --no-target-directory --backup; do
      # shellcheck disable=SC2086  # words
      copies 3 $more file "db2:$name"
      says copy.err 'device'
    done
  done
  [[ -p home/fifo && -c home/null && -L home/link ]] || fail "something was replaced"
  ! "$bin/rdcp" file /dev/stdout 2>copy.err | cat >/dev/null || fail "a pipe is no file"
  says copy.err 'FIFO'
  copies 3 file /dev/full
  [[ -L /dev/stdout && -c /dev/full ]] || fail "/dev was changed"
}

# Only a file is written to where a symlink leads; everything else takes the symlink's place, as in cp -a.
# tcp only: nothing moves
test_rdcp_symlink_as_destination() {
  make_rsh
  echo precious >home/real
  ln -s elsewhere symlink
  mkfifo fifo
  local source
  for source in symlink fifo; do
    ln -sfn real home/link
    copies 0 -a "$source" db2:link
    holds home/real precious
    [[ $(stat -c %F "$source") == "$(stat -c %F home/link)" ]] || fail "$source did not come"
    rm -f home/link
  done
  [[ -f home/real ]] || fail "what the symlink led to is gone"
}

# A source that lies in what another source, or itself, becomes would be deleted with what that does not have.
# tcp only: nothing moves
test_rdcp_delete_spares_its_sources() {
  make_rsh
  mkdir -p data/src/backup/src other/src
  echo precious >data/src/backup/src/file
  echo more >data/src/more
  echo other >other/src/other
  copies 1 -a --delete data/src/backup/src data
  says copy.err "'data/src/backup/src' lies in the destination"
  copies 1 -a --delete other/src data/src/backup data
  says copy.err "'data/src/backup' lies in the destination"
  copies 1 -a --delete other/src data/src data
  says copy.err "'data/src' lies in the destination"
  copies 1 -a --delete --no-target-directory data/src/backup/src data
  copies 1 -a --delete data/src/backup/src/ data
  copies 0 -a data/src/backup/src data
  copies 0 -a --delete data/src data
  holds data/src/backup/src/file precious
  holds data/src/more more
  copies 0 -a --delete data/src/backup/src .
  holds src/file precious
}

# The destination of --no-target-directory has the source's name for filters.
# tcp only: nothing moves
test_rdcp_filters_beneath_another_name() {
  make_rsh
  mkdir -p src/sub home/dst/sub
  echo one >src/one
  echo kept | tee home/dst/keep home/dst/sub/keep home/dst/gone >/dev/null
  copies 0 -a --delete --no-target-directory --exclude=/src/keep --exclude=src/sub/keep src db2:dst
  holds home/dst/keep kept
  holds home/dst/sub/keep kept
  absent home/dst/gone
  echo two >src/one
  touch -d @1 src/one
  copies 0 -a -b --backup-dir=kept --no-target-directory src db2:dst
  holds home/dst/kept/one one
}
