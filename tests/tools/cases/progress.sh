# shellcheck shell=bash
# How far it is, on terminals of several widths.
# shellcheck source=../terminal.bash
source "$cases/../terminal.bash"
undo+=(close_terminal)

need_tmux() { type -P tmux >/dev/null || skip "no tmux here"; }

await_screen() {  # REGEX
  local left=$((150 * scale))
  until screen | grep -qE -- "$1"; do
    ((left-- > 0)) || { screen; fail "the terminal does not show: $1"; }
    pause 0.1
  done
}

# What is on the terminal is one line of less than COLUMNS columns that matches REGEX, now or soon: what a resize has
# left is taken away when it is drawn next.
await_one_line() {  # COLUMNS REGEX
  local left=$((50 * scale)) shown
  until shown=$(screen) && [[ $shown =~ $2 && $shown != *$'\n'* && ${#shown} -lt $1 ]]; do
    ((left-- > 0)) || { echo "$shown"; fail "not one line of less than $1 columns: $2"; }
    pause 0.1
  done
}

# The words of an rdsend with OPTIONs that reads the fifo `from`, for a shell.
sending() { printf '%q ' "$bin/rdsend" --fabric="$fabric" "$@" "$host" "$port" "$key"; echo '<from'; }  # [OPTION...]

# A receiver, and a writer half of whose bytes wait at the gate.
prepare() {
  need_tmux
  make_gate
  make_data 4000000 in
  start_writer from produce_with_gap 2000000
  target=out start_recv
}

# rdsend with OPTIONs on a terminal of COLUMNS columns, in the middle of its stream.
send_on_terminal() {  # COLUMNS [OPTION...]
  prepare
  sending "${@:2}" >asked
  run_on_terminal "$1" asked
}

sent_on_terminal() {
  receiver_exits 0 40
  await_line .ended 'exit 0'
  same in out
  [[ $fabric != rdma ]] || echo 4000000 >>"$run/moved"
}

line_fits() {  # COLUMNS NARROWER WIDER PARTS
  send_on_terminal "$1" --size 4000000
  await_one_line "$1" "^2\.00 MB  50%  0 B/s$4"
  resize_terminal "$2"
  await_one_line "$2" "^2\.00 MB  50%"
  resize_terminal "$3"
  await_one_line "$3" "^2\.00 MB  50%  0 B/s  mean"
  resize_terminal "$1"
  await_one_line "$1" "^2\.00 MB  50%  0 B/s$4"
  open_gate
  sent_on_terminal
  await_one_line "$1" "^4\.00 MB  100%  .*B/s  in 0:00:"
}

# limit 120
test_progress_at_40_columns() { line_fits 40 20 120 "  mean [0-9.]+ .?B/s$"; }
# over rdma with --long: the terminal is the same
test_progress_at_80_columns() { line_fits 80 30 200 "  mean .*  buffer [0-9]+%  (RDMA|TCP)"; }
# over rdma with --long: the terminal is the same
test_progress_at_200_columns() { line_fits 200 50 81 "  mean .*  buffer [0-9]+%  (RDMA|TCP)"; }

# tcp only: the terminal is the same
test_progress_on_a_terminal_of_one_column() {
  send_on_terminal 40 --size 4000000
  await_one_line 40 "50%"
  resize_terminal 1
  pause 0.5
  resize_terminal 40
  await_one_line 40 "50%"
  open_gate
  sent_on_terminal
}

# Runs the rdrecv in `asked`, and sends it 4000000 bytes, of which half wait at the gate.
receive_on_terminal() {
  run_on_terminal 80 asked
  await_screen "listening on port [0-9]+"
  port=$(screen | sed -n 's/.*listening on port \([0-9]*\).*/\1/p')
  make_gate
  start_writer source produce_with_gap 2000000
  start_send --size 4000000 <source
}

# The receiver's, of a stream whose size only the sender knows; it makes way for a message, and the rest stays whole.
test_progress_of_a_receiver() {
  need_tmux
  make_data 4000000 in
  printf '%q ' "$bin/rdrecv" --fabric="$fabric" 0 "$key" out >asked
  receive_on_terminal
  await_screen "^2\.00 MB  50%"
  open_gate
  sender_exits 0 40
  await_line .ended 'exit 0'
  [[ $fabric != rdma ]] || echo 4000000 >>"$run/moved"
  same in out
  await_screen "^4\.00 MB  100%"
  [[ $'\n'$(screen) == *$'\n'"rdrecv: listening on port"* ]] || fail "the message is gone"
}

# tcp only: the terminal is the same
test_progress_makes_way_for_an_error() {
  send_on_terminal 40 --size 4000000
  await_one_line 40 "50%"
  kill -KILL "$receiver"
  await_line .ended 'exit 10'
  await_screen "^rdsend: error:"
  [[ $(screen) != *50%* ]] || fail "the progress line is still there"
}

# tcp only: the terminal is the same
test_no_progress_on_a_dumb_terminal() {
  prepare
  { printf 'TERM=dumb '; sending; } >asked
  run_on_terminal 40 asked
  await_temporary
  pause 0.5
  open_gate
  await_line .ended 'exit 0'
  [[ -z $(screen) ]] || { screen; fail "it draws"; }
}

# What a command prints goes to the same terminal.
# tcp only: the terminal is the same
test_no_progress_where_a_command_has_the_terminal() {
  need_tmux
  make_data 4000000 in
  # shellcheck disable=SC2016  # for the command's shell
  printf '%q ' "$bin/rdrecv" --fabric="$fabric" 0 "$key" -- sh -c 'cat >out; echo "it has $(stat -c %s out) bytes"' >asked
  receive_on_terminal
  await_bytes out 1
  pause 1
  [[ $(screen | wc -l) == 1 ]] || { screen; fail "it draws"; }
  open_gate
  sender_exits 0 40
  await_line .ended 'exit 0'
  [[ $(screen | tail -n 1) == "it has 4000000 bytes" ]] || { screen; fail "it draws at the end"; }
}

# rdsend on a terminal, with a SCRIPT as its command, which waits at the gate with `read x <gate`.
send_of_command() {  # SCRIPT
  need_tmux
  make_gate
  make_data 4000000 in
  target=out start_recv
  printf '%q ' "$bin/rdsend" --fabric="$fabric" "$host" "$port" "$key" -- sh -c "$1" >asked
  run_on_terminal 80 asked
}

# tcp only: the terminal is the same
test_progress_leaves_the_line_that_a_command_has_begun() {
  send_of_command 'head -c 2000000 in; printf "reading disk 1..." >&2; read x <gate; echo ok >&2; read x <gate
    tail -c +2000001 in; printf "the end" >&2'
  await_screen "^reading disk 1"
  pause 1
  [[ $(screen) == "reading disk 1..." ]] || { screen; fail "it draws over what the command says"; }
  open_gate
  await_screen "^2\.00 MB"
  open_gate
  sent_on_terminal
  [[ $(screen) =~ ^"reading disk 1...ok"$'\n'"the end"$'\n'"4.00 MB  "[^$'\n']*$ ]] || { screen; fail "not line by line"; }
}

# tcp only: the terminal is the same
test_progress_leaves_a_prompt_before_anything_moves() {
  send_of_command 'printf "Password: " >/dev/tty; read x <gate; echo >/dev/tty; head -c 2000000 in; read x <gate
    tail -c +2000001 in'
  await_screen "^Password"
  pause 1
  [[ $(screen) == "Password:" ]] || { screen; fail "it draws over the prompt"; }
  open_gate
  await_screen "^2\.00 MB"
  [[ $(screen) == "Password:"$'\n'* ]] || { screen; fail "the prompt is gone"; }
  open_gate
  sent_on_terminal
}

# tcp only: the terminal is the same
test_no_progress_in_the_background() {
  prepare
  printf 'set -m\n%s &\nwait "$!"\n' "$(sending)" >asked
  run_on_terminal 40 asked
  await_temporary
  pause 1
  [[ -z $(screen) ]] || { screen; fail "it draws"; }
  open_gate
  await_line .ended 'exit 0'
  [[ -z $(screen) ]] || { screen; fail "it draws at the end"; }
}

# Until something arrives.
await_temporary() {
  local left=$((500 * scale))
  until [[ -n $(find . -name '.out.rdpipe-*') ]]; do
    ((left-- > 0)) || fail "nothing arrives"
    pause 0.02
  done
}

# A terminal that is stopped (^S) holds nothing up.
# tcp only: the terminal is the same
test_progress_on_a_stopped_terminal() {
  type -P python3 >/dev/null || skip "python3 is not installed"
  prepare
  { echo "python3 -c 'import termios; termios.tcflow(1, termios.TCOOFF)'"; sending; } >asked
  run_on_terminal 40 asked
  await_temporary
  pause 0.5
  open_gate
  await_line .ended 'exit 0'
  [[ -z $(screen) ]] || { screen; fail "it was not stopped"; }
  same in out
}
