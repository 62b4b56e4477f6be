# shellcheck shell=bash
# The command line: what is refused, and what the options do.

refused() {  # TOOL ARGUMENT...
  local status=0
  timeout 10 "$bin/$1" "${@:2}" >stdout 2>refusal </dev/null || status=$?
  ((status == 1)) || { cat refusal; fail "$*: status $status, not 1"; }
  (($(grep -c "^$1: error: " refusal) == 1)) || { cat refusal; fail "$*: not one error line"; }
  [[ ! -s stdout ]] || fail "$*: writes to stdout"
}

test_option_errors() {
  refused rdsend
  refused rdsend "$host"
  refused rdrecv
  refused rdsend --nonsense "$host" 4711 "$key"
  refused rdrecv --fabric=carrier-pigeon 4711 "$key"
  refused rdsend --connect-timeout soon "$host" 4711 "$key"
  refused rdsend --keep-alive "$host" 4711 "$key"
  refused rdrecv 4711 "$key" out more
  refused rdrecv --direct=maybe 0 "$key" out
  refused rdrecv -m 4k 0 "$key"
  refused rdrecv -m 101% 0 "$key"
  refused rdrecv -m 0% 0 "$key"
  refused rdrecv -m % 0 "$key"
  refused rdsend -m 1M -P 101 "$host" 4711 "$key"
  refused rdsend -m 1M -p 0 "$host" 4711 "$key"
  refused rdsend -P 50 "$host" 4711 "$key"
  says refusal "hint: -m"
  refused rdsend -r 0 "$host" 4711 "$key"
  refused rdrecv -R fast 0 "$key"
  refused rdsend --key-file secret --key-fd 5 "$host" 4711
}

# It ends options before the last operand; after it follows a command (commands.sh).
test_two_hyphens() {
  echo hello >-in
  target=out start_recv
  start "$bin/rdsend" --fabric="$fabric" "$host" "$port" "$key" -- -in </dev/null 2>send.err
  sender=$!
  sender_exits 14
  start "$bin/rdsend" --fabric="$fabric" "$host" -- "$port" "$key" -in </dev/null 2>send.err
  sender=$!
  both_succeed 6
  same ./-in out
}

# A variable that a script forgot to set.
test_empty_values() {
  local option
  for option in --key-file --address --device --hash --fabric; do refused rdsend "$option=" "$host" 4711 "$key"; done
  refused rdsend '' 4711 "$key"
  refused rdrecv -d '' 0 "$key"
  says refusal "--device.*empty"
}

test_options_that_contradict_each_other() {
  refused rdsend -4 -6 "$host" 4711 "$key"
  says refusal "-4 and -6 exclude each other"
  refused rdrecv --no-encrypt --encrypt 0 "$key"
  says refusal "--encrypt and --no-encrypt exclude each other"
}

test_bad_ports() {
  refused rdrecv 70000 "$key"
  refused rdsend "$host" 70000 "$key"
  refused rdsend "$host" -- -1 "$key"
  # A passphrase in its place is shown to nobody.
  refused rdrecv open-sesame 4711
  refused rdsend "$host" open-sesame 4711
  ! grep -q sesame refusal || fail "a passphrase in PORT's place is shown"
}

test_bad_sizes() {
  local size
  for size in 5000 0 1 8M -4096 4kk ''; do refused rdrecv -s "$size" 0 "$key"; done
  for size in 1 0 -1 many 4Mx; do refused rdrecv --ring "$size" 0 "$key"; done
  refused rdrecv --ring 8k -s 256k 0 "$key"
  says refusal "hint: --slot"
}

test_help_and_version() {
  local tool
  for tool in rdsend rdrecv rdcp rdping; do
    "$bin/$tool" --help >help 2>&1 || fail "$tool --help fails"
    says help "usage: $tool"
    "$bin/$tool" --version >version || fail "$tool --version fails"
    says version "^$tool \(rdpipe\) [0-9]+\.[0-9]+"
  done
}

test_help_to_a_full_disk_fails() {
  local status tool
  for tool in rdsend rdrecv rdcp rdping; do
    status=0
    "$bin/$tool" --help >/dev/full 2>why || status=$?
    ((status != 0)) || fail "$tool --help >/dev/full exits with 0"
    says why "^$tool: error: .*No space left on device"
  done
}

test_slots_and_rings_of_many_sizes() {
  local shape
  make_data 3000001 in
  for shape in "-s 4k --ring 64k" "-s 64k --ring 1M" "-s 1M --ring 4M" "-s 4k -m 64k" "-s 4M" "--ring 8k" "-m 20M"; do
    # shellcheck disable=SC2086  # words
    target=out start_recv $shape
    source=in start_send
    both_succeed 3000001
    same in out
  done
}

test_verbose_line() {
  make_data 3000001 in
  target=out start_recv -v
  source=in start_send -v
  both_succeed 3000001
  local line="Bandwidth [0-9]+\.[0-9]{3} [kMG]B/s, 3000001 bytes in [0-9]+\.[0-9]{3} s, $fabric"
  says send.err "^rdsend: $line"
  says recv.err "^rdrecv: $line"
}

test_verbose_line_of_one_byte() {
  printf x >in
  target=out start_recv
  source=in start_send -v
  both_succeed 1
  says send.err ", 1 byte in "
}

test_quiet() {
  echo hello >in
  target=out start_recv
  source=in start_send -q
  both_succeed 6
  [[ ! -s send.err ]] || fail "rdsend -q says something"
}

test_hash_is_the_files() {
  make_data 1000001 in
  local sum
  sum=$(sha256sum in | cut -d ' ' -f 1)
  target=out start_recv --hash sha256
  source=in start_send --hash sha256
  both_succeed 1000001
  says send.err "$sum"
  says recv.err "$sum"
}

# A digest without a length of its own.
test_hash_that_is_none() {
  local algorithm
  for algorithm in shake128 nonsense; do
    refused rdsend --hash "$algorithm" "$host" 4711 "$key"
    refused rdrecv --hash "$algorithm" 0 "$key"
  done
}

test_without_checksum() {
  make_data 1000001 in
  target=out start_recv --no-checksum
  source=in start_send -v
  both_succeed 1000001
  says send.err "no digest"
  same in out
}
