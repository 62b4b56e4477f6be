# shellcheck shell=bash
# shellcheck disable=SC2154  # the variables of lib.sh
# The lines of rdpipe-recipes(7), run as they stand there, but for the host, the port, and where /data, /srv, /backup and
# /dev/sdb are.

page=$cases/../../../man/rdpipe-recipes.7
device=/nowhere  # for /dev/sdb

# Words of the page's that start what is under test; what they start ends with them.
make_programs() {
  mkdir -p .programs
  local tool
  for tool in rdsend rdrecv; do
    printf '#!/bin/sh\nexec setpriv --pdeathsig KILL "%s" --fabric=%s %s "$@"\n' "$bin/$tool" "$fabric" \
      "$([[ $tool == rdsend ]] || echo -v)" >".programs/$tool"
    chmod 755 ".programs/$tool"
  done
  (umask 077 && echo "$key" >.rdpipe-key)
}

# What END types.
recipe() {  # NAME receive|send
  local text
  text=$(awk -v mark=".\\\\\" recipe $1 $2" '$0 == mark {on = 1; next} on && /^\.Ed/ {exit} on && !/^\./' "$page")
  [[ -n $text ]] || fail "$(basename "$page") has no recipe $1 $2"
  sed -E "s|\\\\e|\\\\|g; s#(^|[ =:>])/(data|srv|backup)#\\1$PWD/\\2#g; s|/dev/sdb|$device|g; s/\<db2\>/$host/g
    s/\<(12345|9090)\>/$port/g" <<<"$text"
}

run_recipe() {  # NAME receive|send
  local text
  [[ -d .programs ]] || make_programs
  text=$(recipe "$@")
  start env HOME="$PWD" PATH="$PWD/.programs:$PATH" bash -c "set -euo pipefail; $text"
}

start_recipe_recv() {  # NAME
  : >recv.err
  choose_port
  recipe "$1" receive
  run_recipe "$1" receive </dev/null >recv.out 2>recv.err
  receiver=$!
  await_listening "$receiver"
}

start_recipe_send() {  # NAME
  recipe "$1" send
  run_recipe "$1" send </dev/null >send.out 2>send.err
  sender=$!
}

# Both ends of a recipe, or of one and what another one receives.
start_recipe() {  # NAME [RECEIVING-NAME]
  start_recipe_recv "${2-$1}"
  start_recipe_send "$1"
}

# For those who look at it: tests/tools/run --show.
show_ends() {  # STATUS
  show recv.err send.err
  echo "rdrecv and rdsend: exit status $1"
}

recipe_succeeds() {
  sender_exits 0 60
  receiver_exits 0 60
  show_ends 0
  [[ $fabric != rdma ]] || sed -nE 's/.* ([0-9]+) bytes? in .*/\1/p' recv.err >>"$run/moved"
}

# Both ends have failed with 14 because of COMMAND, and say why.
recipe_fails() {  # rdsend|rdrecv COMMAND REGEX: the command's end, its name, what it said
  sender_exits 14 60
  receiver_exits 14 60
  show_ends 14
  local far=send.err near=recv.err
  [[ $1 == rdrecv ]] || far=recv.err near=send.err
  says "$near" "^$1: error: run '$2': .*$3"
  says "$far" "^rd(send|recv): error: run '$2' on $(hostname): .*$3"
}
