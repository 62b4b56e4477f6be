# shellcheck shell=bash
# shellcheck disable=SC2119  # make_rsh without noise
# What is left out and what is listed, against rsync over the same random tree.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

list_names() { (cd "$1" && find . -printf '%y %P\0' | LC_ALL=C sort -z | tr '\0\n' '\n?'); }  # DIRECTORY

# Copies src by both, with the same words, and compares what there is.
same_as_rsync() {  # WORD...
  chmod -R u+rwX theirs home/copy 2>/dev/null || true
  rm -rf theirs home/copy
  mkdir theirs home/copy
  rsync -aHAX "$@" src/ theirs/ || fail "rsync $*"
  copies 0 -aHAX "$@" src/ db2:copy/
  diff --text <(list_names theirs) <(list_names home/copy) >differences && return
  echo "not as rsync $* (<):"
  head -n 6 differences | cat -v
  failed=yes
}

# tcp only: what is chosen, not how it moves
# limit 400
test_rdcp_filters_are_those_of_rsync() {
  need_rsync
  make_rsh
  local failed=no seed words
  for seed in 31 36; do
    chmod -R u+rwX src 2>/dev/null || true
    rm -rf src
    make_random_tree "$seed" src 120
    mkdir -p src/a/b/c src/x.d/a
    echo one | tee src/a/b/c/file.o src/a/file.o src/a/keep.o src/x.d/a/file.c src/file.c >/dev/null
    while IFS= read -r words; do
      # No word of these has a space or is a pattern for this shell.
      set -f
      # shellcheck disable=SC2086
      same_as_rsync $words
      set +f
    done <<'EOT'
--exclude=*.o
--exclude=/a
--exclude=a
--exclude=a/
--exclude=file.o/
--exclude=a/b
--exclude=/b
--exclude=a/*
--exclude=a/**
--exclude=/*/*.o
--exclude=**/c
--exclude=**/file.*
--exclude=?
--exclude=[a-m]*
--exclude=[!a-m]*
--exclude=[[:alpha:]]*
--exclude=*
--include=*/ --exclude=*
--include=*/ --include=*.o --exclude=*
--include=/a/ --include=/a/b/*** --exclude=*
--include=keep.o --exclude=*.o
--exclude=*.o --include=keep.o
--exclude=\[a-z\]
--exclude=\*
--exclude=back\slash
--exclude=back\\slash
--exclude=x*
--exclude=*x
--exclude=.*
--exclude=./a
--exclude=//a
--exclude=a//b
--exclude=a/b/c/file.o
EOT
  done
  [[ $failed == no ]] || fail "see above"
}

# over rdma with --long: what is chosen, not how it moves
test_rdcp_patterns_of_a_file() {
  need_rsync
  make_rsh
  make_random_tree 33 src 80
  mkdir -p src/a
  echo one | tee src/a/file.o src/a/keep.o 'src/a/#x' 'src/a/;y' >/dev/null
  printf '%s\n' '# a comment' '; another' '' 'file.o' '[a-f]*' >patterns
  local failed=no
  same_as_rsync --exclude-from=patterns
  same_as_rsync --include=a --exclude-from=patterns
  tr '\n' '\0' <patterns >patterns0
  same_as_rsync -0 --exclude-from=patterns0
  printf '%s\n' '*/' 'keep.o' >patterns
  same_as_rsync --include-from=patterns --exclude='*'
  printf '%s\r\n' '- file.o' '; a comment' >patterns
  same_as_rsync --exclude-from=patterns
  printf '%s\n' '*' '!' 'keep.o' >patterns
  same_as_rsync --exclude-from=patterns
  same_as_rsync --exclude=a --exclude='!' --exclude=file.o
  copies 3 --exclude-from=. src/ db2:none
  says copy.err "read '.': Is a directory"
  absent home/none
  printf '%s\r\n' 'a/keep.o' '# a comment' ';' >list
  same_as_rsync --files-from=list
  echo . >list
  same_as_rsync -r --files-from=list
  [[ $failed == no ]] || fail "see above"
}

# tcp only: what is chosen, not how it moves
# limit 120
test_rdcp_files_from_as_rsync() {
  need_rsync
  make_rsh
  local failed=no seed
  for seed in 34 35; do
    chmod -R u+rwX src 2>/dev/null || true
    rm -rf src
    make_random_tree "$seed" src 80
    (cd src && find . -mindepth 1 -print0) | awk -v RS='\0' -v ORS='\0' 'NR % 3 == 0' >list0
    same_as_rsync -0 --files-from=list0
    same_as_rsync -0 -r --files-from=list0
    tr '\0\n' '\n\0' <list0 | grep -av -e $'\r' -e '^./[#;]' | grep -avP '\x00' >list || true
    same_as_rsync --files-from=list
  done
  [[ $failed == no ]] || fail "see above"
}

# over rdma with --long: what is chosen, not how it moves
test_rdcp_files_from_names_that_are_not_there() {
  make_rsh
  make_tree src
  printf '%s\n' one nowhere sub/two >list
  copies 23 -a --files-from=list src db2:copy
  says copy.err "nowhere"
  same src/sub/two home/copy/sub/two
  printf '%s\n' ../outside /etc/passwd sub/../../outside >list
  echo outside >outside
  local status=0
  timeout 40 "${copy[@]}" -a --files-from=list src db2:copy2 2>copy.err </dev/null || status=$?
  [[ ! -e home/outside && ! -e outside/outside ]] || fail "a name of the list leads out"
}
