# shellcheck shell=bash
# rdcp through a real sshd: directions, homes, and that nothing outlives either end or the ssh between.
# shellcheck source=../sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

# limit 180
test_rdcp_pushes_through_ssh() {
  start_sshd
  make_tree tree
  mkdir there
  copies 0 -rv tree "a:$PWD/there"
  same_tree tree there/tree
  says copy.err '^rdcp: a listens: '
  copies 0 -r tree/ "a:$PWD/there/new"
  same_tree tree there/new
}

# limit 180
test_rdcp_pulls_through_ssh() {
  start_sshd
  make_tree tree
  mkdir here
  copies 0 -r "a:$PWD/tree" here
  same_tree tree here/tree
  copies 0 -r "$(id -un)@a:$PWD/tree/" here/new
  same_tree tree here/new
}

# limit 180
test_rdcp_between_two_hosts_through_ssh() {
  start_sshd
  make_tree tree
  copies 0 -av "a:$PWD/tree" "b:$PWD/copy"
  same_tree tree copy
  says copy.err 'b listens, a connects'
  says copy.err ' files, '
}

# limit 180
test_rdcp_several_sources_and_a_target_directory() {
  start_sshd
  mkdir there
  echo 1 >one
  echo 2 >two
  copies 0 one two "a:$PWD/there"
  holds there/one 1
  holds there/two 2
  mkdir other
  copies 0 --target-directory "$PWD/other" "a:$PWD/one" "a:$PWD/two"
  holds other/two 2
  copies 1 one "a:$PWD/two" there
  says copy.err 'several hosts'
}

# limit 180
test_rdcp_home_and_globs_of_the_other_host() {
  start_sshd
  local home
  home=$(mktemp -d ~/.rdpipe-test-XXXXXX)
  undo+=("rm -rf '$home'")
  echo hello >in
  copies 0 in "a:$(basename "$home")/relative"
  copies 0 in "a:~/$(basename "$home")/tilde"
  same in "$home/relative"
  same in "$home/tilde"
  mkdir back
  # shellcheck disable=SC2088  # the other host's
  copies 0 "a:~/$(basename "$home")/*" back
  same in back/relative
  same in back/tilde
}

# tcp only: no data moves
test_rdcp_wrong_hosts_and_keys() {
  start_sshd
  echo hello >in
  : >authorized_keys
  copies 255 --ssh-option BatchMode=yes in "a:$PWD/out"
  says copy.err '^rdcp: a: .*Permission denied'
  says copy.err '^rdcp: hint: try: ssh a true'
  copies 255 --ssh-option ConnectTimeout=2 --ssh-option Port=1 in "a:$PWD/out"
  absent out
}

# A program of this case alone, whose processes can be told from others and say who they are.
own_rdcp() {
  cat >own-rdcp-$$ <<EOF
#!/bin/bash
echo \$\$ >>"$PWD/peers"
exec -a "$PWD/own-rdcp-$$" "$bin/rdcp" "\$@"
EOF
  chmod +x own-rdcp-$$
  : >peers
  copy+=(--rdcp-path "$PWD/own-rdcp-$$")
}

# A copy that is under way, in small frames so that it takes seconds, and whose other end is stopped as soon as it is there.
start_held() {  # WORD...
  make_data 300000000 big
  start "${copy[@]}" --slot 4k --ring 8k --encrypt "$@" 2>copy.err </dev/null
  copying=$!
  local tries=0
  until read -r peer <peers && [[ -n $peer ]]; do
    ((tries++ < 3000 * scale)) || { show copy.err; fail "no other end"; }
    runs "$copying" || { show copy.err; fail "the copy has ended"; }
    pause 0.01
  done
  kill -STOP "$peer"
}

# Waits until a copy of `big` to `out` that goes PUSH or PULL is well under way.
start_under_way() {  # push|pull
  local way=("$PWD/big" "a:$PWD/out") tries=0 written=0 before=0 temporary
  [[ $1 == push ]] || way=("a:$PWD/big" "$PWD/out")
  : >peers
  start "${copy[@]}" --slot 4k --ring 8k --encrypt "${way[@]}" 2>copy.err </dev/null
  copying=$!
  until ((before > 2000 && ${written:-0} > before)); do
    ((tries++ < 3000 * scale)) || { show copy.err; fail "$1: nothing is written"; }
    runs "$copying" || { show copy.err; fail "$1: the copy has ended"; }
    pause 0.01
    # One that is left over is older.
    temporary=$(find . -maxdepth 1 -name '.out.rdpipe-*' -printf '%T@ %b\n' | sort -n | tail -n 1)
    before=${written:-0} written=${temporary##* }
  done
  read -r peer <peers
}

# Whoever dies in mid file: all the others end, the old target stays, and the next copy removes what is left over.
# limit 300
test_rdcp_killed_in_mid_file() {
  start_sshd
  own_rdcp
  make_data 300000000 big
  echo old >out
  local way victim
  for way in push pull; do
    for victim in source ssh destination; do
      start_under_way "$way"
      case $way-$victim in
        push-source | pull-destination) kill -KILL "$copying" ;;
        push-destination | pull-source) kill -KILL "$peer" ;;
        *) pkill -KILL -f "ssh .*$PWD/ssh_config" ;;
      esac
      await_end "$copying" 15
      ((status != 0)) || fail "$way: it succeeded without its $victim"
      await_none "^$PWD/own-rdcp-$$ --peer" 15
      await_none "ssh .*$PWD/ssh_config" 15
      holds out old
      [[ $victim == destination ]] || no_temporaries
    done
    [[ $way == pull ]] || rm -f .out.rdpipe-*
  done
  copies 0 big "a:$PWD/out"
  same big out
  no_temporaries
  [[ $fabric != rdma ]] || echo 300000000 >>"$run/moved"
}

# limit 180
test_rdcp_leaves_nothing_when_it_is_killed() {
  start_sshd
  own_rdcp
  start_held big "a:$PWD/out"
  kill -KILL "$copying"
  kill -CONT "$peer"
  await_none "^$PWD/own-rdcp-$$ --peer" 15
  await_none "ssh .*$PWD/ssh_config" 15
  absent out
  no_temporaries
}

# limit 180
test_rdcp_leaves_nothing_when_ssh_is_killed() {
  start_sshd
  own_rdcp
  start_held big "a:$PWD/out"
  pkill -KILL -f "ssh .*$PWD/ssh_config"
  kill -CONT "$peer"
  await_none "^$PWD/own-rdcp-$$ --peer" 15
  await_end "$copying"
  ((status != 0)) || fail "it succeeded without its ssh"
  says copy.err '^rdcp: error: '
  absent out
}

# limit 180
test_rdcp_leaves_nothing_when_the_other_end_is_killed() {
  start_sshd
  own_rdcp
  start_held big "a:$PWD/out"
  kill -KILL "$peer"
  await_end "$copying"
  ((status != 0)) || fail "it succeeded without the other end"
  await_none "ssh .*$PWD/ssh_config" 15
  absent out
}

# limit 180
test_rdcp_leaves_nothing_on_two_hosts_when_it_is_killed() {
  start_sshd
  own_rdcp
  start_held "a:$PWD/big" "b:$PWD/out"
  kill -KILL "$copying"
  kill -CONT "$peer"
  await_none "^$PWD/own-rdcp-$$ --peer" 15
  await_none "ssh .*$PWD/ssh_config" 15
}

# All that this host has there; in a guest part of it, read once, for it is far away.
# long
# limit 900
test_rdcp_usr_share_as_it_is() {
  need_root
  need_rsync
  start_sshd
  copy_limit=600
  local share=/usr/share way
  if [[ -n ${RDPIPE_GUEST-} ]]; then
    mkdir share
    cp -a /usr/share/doc /usr/share/zoneinfo share
    share=$PWD/share
  fi
  for way in push pull between; do
    mkdir there
    case $way in
      push) copies 0 -aHAXS --stats "$share" "a:$PWD/there" ;;
      pull) copies 0 -aHAXS --stats "a:$share" there ;;
      between) copies 0 -aHAXS --stats "a:$share" "b:$PWD/there" ;;
    esac
    diff -r --no-dereference "$share" there/share || fail "$way: the copy differs"
    rsync -nacHAXi --delete "$share/" there/share/ >left-to-do 2>&1 || { show left-to-do; fail "$way: rsync fails"; }
    [[ ! -s left-to-do ]] || { head -n 12 left-to-do; fail "$way: rsync would change something"; }
    [[ $fabric != rdma ]] || stat_of "Total transferred file size" >>"$run/moved"
    rm -rf there
  done
}
