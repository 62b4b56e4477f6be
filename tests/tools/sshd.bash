# shellcheck shell=bash
# A real sshd on a loopback port with keys of its own, and a remote shell that writes down what it is given, for cases
# of rdcp. For files that lib.sh has read.
# shellcheck disable=SC2154,SC2034  # lib.sh's variables, and ours for the cases

copy=()         # the words before the operands of rdcp
shell_words=words  # what ./rsh was given, a word a line
copy_limit=40   # seconds that an rdcp may take

# `-e ./rsh` runs its words here, as a login shell would, in ./home, after NOISE on standard output.
make_rsh() {  # [NOISE]
  mkdir -p home
  cat >rsh <<EOF
#!/bin/bash
printf '%s\n' "\$@" >>"$PWD/$shell_words"
[[ \$1 != -l ]] || shift 2
shift
printf %s ${1:+"$(printf %q "$1")"}
cd "$PWD/home" && exec sh -c "\$*"
EOF
  chmod +x rsh
  copy=("$bin/rdcp" --fabric="$fabric" -e ./rsh --rdcp-path "$bin/rdcp")
}

make_ssh_keys() {
  ssh-keygen -q -t ed25519 -N '' -f host_key
  ssh-keygen -q -t ed25519 -N '' -f user_key
  cp user_key.pub authorized_keys
}

# An sshd here with the keys of this directory, and a configuration with which ssh gets in as SETTINGs say.
run_sshd() {  # ADDRESS PORT SETTING...
  local program
  program=$(PATH=$PATH:/usr/sbin type -P sshd) || skip "no sshd here"
  ((EUID != 0)) || mkdir -p /run/sshd
  printf '%s\n' "ListenAddress $1:$2" "HostKey $PWD/host_key" "AuthorizedKeysFile $PWD/authorized_keys" \
    "StrictModes no" "UsePAM no" "PidFile none" "PasswordAuthentication no" "KbdInteractiveAuthentication no" \
    "PermitRootLogin prohibit-password" "MaxStartups 100" >sshd_config
  printf '%s\n' "Host a b" "${@:3}" "Port $2" "User $(id -un)" "IdentityFile $PWD/user_key" \
    "IdentitiesOnly yes" "UserKnownHostsFile /dev/null" "StrictHostKeyChecking no" "LogLevel ERROR" >ssh_config
  start "$program" -D -e -f "$PWD/sshd_config" 2>sshd.err
  local tries=0
  until [[ -n $(ss -Hltn "sport = :$2") ]]; do
    ((tries++ < 500 * scale)) || { cat sshd.err; fail "sshd does not listen"; }
    pause 0.02
  done
  copy=("$bin/rdcp" --fabric="$fabric" --ssh-config "$PWD/ssh_config" --rdcp-path "$bin/rdcp")
}

# Hosts a and b are this host.
start_sshd() {
  make_ssh_keys
  choose_port
  ssh_port=$port
  run_sshd 127.0.0.1 "$ssh_port" "HostName 127.0.0.1"
}

# rdcp with the words of `copy` and more; must exit with STATUS.
copies() {  # STATUS WORD...
  local status=0
  timeout $((copy_limit * scale)) "${copy[@]}" "${@:2}" >copy.out 2>copy.err </dev/null || status=$?
  ((status == $1)) || { show copy.out copy.err sshd.err; fail "rdcp ${*:2}: status $status, not $1"; }
}

# A small tree with what names and types make hard.
make_tree() {  # DIRECTORY
  mkdir -p "$1/sub/deeper" "$1/empty"
  echo one >"$1/one"
  make_data 300001 "$1/sub/two"
  echo three >"$1/sub/deeper/a b"$'\n'"c'd\"e\\"
  echo four >"$1/sub/"$'\xff\xfe'
  ln -s ../one "$1/sub/link"
  [[ $fabric != rdma ]] || echo 300001 >>"$run/moved"
}
same_tree() { diff -r --no-dereference "$1" "$2" || fail "$1 and $2 differ"; }  # DIRECTORY DIRECTORY

# Processes whose command line has TEXT.
processes_with() { pgrep -f -- "$1" || true; }
await_none() {  # TEXT SECONDS
  local left=$(($2 * 50))
  while [[ -n $(processes_with "$1") ]]; do
    ((left-- > 0)) || { pgrep -af -- "$1"; fail "still there after $2 s"; }
    pause 0.02
  done
}
