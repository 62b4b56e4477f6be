# shellcheck shell=bash
# The command line of rdcp: what is refused, what means what, and what the other end is told.
# shellcheck source=../sshd.bash
source "$cases/../sshd.bash"

refused() {  # WORD...
  local status=0
  timeout 10 "$bin/rdcp" "$@" >stdout 2>refusal </dev/null || status=$?
  ((status == 1)) || { cat refusal; fail "rdcp $*: status $status, not 1"; }
  (($(grep -c '^rdcp: error: ' refusal) == 1)) || { cat refusal; fail "rdcp $*: not one error line"; }
}

# tcp only: no data moves
test_rdcp_option_errors() {
  echo hello >in
  refused
  refused in
  refused --nonsense in out
  refused -m in out
  refused -d in out
  refused --chmod=q+x in out
  refused --delete in out
  refused --max-delete=many in out
  refused --listen=nowhere in out
  refused --port=0-5 in out
  refused --port=20-10 in out
  refused --no-archive in out
  refused --no-nonsense in out
  refused --files-from=in a b c
  refused -e "'ssh" in a:out
  refused -b --suffix=a/b in out
  refused --exclude='+ ' in out
  refused --slot=0 in out
  refused --slot=5000 in out
  refused --slot=16M in out
  refused --ring=1 in out
  refused --rate-limit=1M in out
  absent out
}

# tcp only: no data moves
test_rdcp_options_of_rsync_that_it_lacks() {
  echo hello >in
  refused --compress-level=9 in out
  says refusal 'hint: --compress=zstd:LEVEL'
  refused --info=progress2 in out
  says refusal 'hint: --progress '
  refused --bwlimit=1M in out
  says refusal 'hint: --rate-limit '
  refused --infor in out
  says refusal 'hint: see --help'
  absent out
}

# tcp only: no data moves
test_rdcp_help_and_version() {
  "$bin/rdcp" --help >help || fail "--help fails"
  "$bin/rdcp" -h >help2 || fail "-h fails"
  same help help2
  says help '^Usage: rdcp '
  ! grep -q -- --peer help || fail "--help names what is between the two ends"
  "$bin/rdcp" -V >version
  says version '^rdcp \(rdpipe\) '
}

# What the other end is told, a word a line, without the key.
orders() {  # WORD...
  cat >listener <<EOF
#!/bin/bash
read -r _ _ _ length
head -c "\$length" | tr '\0' '\n' | tail -n +2 >"$PWD/orders"
echo RDPIPE ERROR 3 enough
EOF
  chmod +x listener
  local status=0
  "$bin/rdcp" -e ./listener "$@" 2>orders.err || status=$?
  ((status == 3)) || { cat orders.err; fail "status $status"; }
}

# tcp only: no data moves
test_rdcp_orders_of_a_push() {
  echo hello >in
  orders in -rt db2:out --no-t -A --exclude '*.o' --include '- x' --port 5000-5010 -4
  diff orders - <<'EOF'
--recursive
--times
--no-times
--acls
--port=5000-5010
--ipv4
--exclude=- *.o
--exclude=- x
--receiver
--
out
EOF
}

# tcp only: no data moves
test_rdcp_orders_of_a_pull() {
  printf '%s\n' a 'b c' '' >list
  printf '%s\n' '# comment' '+ keep' '*.o' >patterns
  orders -a --no-owner -i --files-from list --exclude-from patterns --target-directory . db2:dir
  diff orders - <<'EOF'
--archive
--no-owner
--itemize-changes
--exclude=+ keep
--exclude=- *.o
--listed-files
--listed-file=a
--listed-file=b c
--into-directory
--sender
--
dir
EOF
  printf 'x\ny\0z\0' >list
  orders -0 --files-from list db2:dir .
  grep -qxF -- '--listed-file=z' orders || fail "names that end with NUL"
}

# tcp only: no data moves
test_rdcp_operands_after_dashes() {
  echo hello >./--recursive
  orders -t -- --recursive db2:-out
  diff orders - <<'EOF'
--times
--receiver
--
-out
EOF
}

# tcp only: no data moves
test_rdcp_completions() {
  local program=$bin/bash/rdcp
  [[ -e $program ]] || skip "no completions here"
  # shellcheck source=/dev/null
  source "$program"
  # shellcheck disable=SC2317  # the completion calls it
  compopt() { :; }
  local COMP_WORDS COMP_CWORD COMPREPLY
  COMP_WORDS=(rdcp --recur) COMP_CWORD=1
  _rdcp
  [[ ${COMPREPLY[*]} == --recursive ]] || fail "completes to ${COMPREPLY[*]}"
  COMP_WORDS=(rdcp --fabric '=' r) COMP_CWORD=3
  _rdcp
  [[ ${COMPREPLY[*]} == rdma ]] || fail "completes to ${COMPREPLY[*]}"
}
