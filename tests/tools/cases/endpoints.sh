# shellcheck shell=bash
# Sources and targets: what they may be, and what becomes of them when a transfer fails.

test_missing_source() {
  port=4711 source=nowhere start_send
  sender_exits 3
  one_error send.err "nowhere.*No such file"
}

test_directory_as_source() {
  port=4711 source=. start_send
  sender_exits 3
  one_error send.err "directory"
  says send.err "hint: .*tar -c '\.' \| rdsend"
}

test_unreadable_source() {
  echo secret >in
  chmod 600 in
  become_nobody
  port=4711 source=in start_send
  sender_exits 3
  one_error send.err "in.*Permission denied"
}

# rdrecv that must refuse its target before it listens.
refuses_target() {  # FILE REGEX
  start "${wrap[@]}" "$bin/rdrecv" --fabric="$fabric" 0 "$key" "$1" </dev/null 2>recv.err
  receiver=$!
  receiver_exits 3
  one_error recv.err "$2"
}

test_directory_as_target() { refuses_target . "directory"; }

test_target_in_no_directory() { refuses_target nowhere/out "No such file"; }

test_target_where_nobody_may_write() {
  become_nobody
  mkdir -m 755 closed
  refuses_target closed/out "Permission denied"
}

test_target_that_may_not_be_written() {
  echo old >out
  chmod 444 out
  become_nobody
  refuses_target out "Permission denied"
  holds out old
}

test_target_appears_only_when_complete() {
  stall_before_the_end
  absent out
  open_gate
  both_succeed 6
  same in out
  no_temporaries
}

test_existing_target_is_replaced_whole_and_keeps_its_mode() {
  make_gate
  echo old >out
  chmod 640 out
  make_data 100000 in
  start_writer from produce_with_gap 50000
  target=out start_recv
  start_send <from
  until [[ -n $(find . -name '.out.rdpipe-*') ]]; do pause 0.02; both_alive; done
  holds out old
  open_gate
  both_succeed 100000
  same in out
  [[ $(stat -c %a out) == 640 ]] || fail "mode $(stat -c %a out)"
}

test_existing_target_survives_a_failure() {
  make_gate
  echo old >out
  make_data 100000 in
  start_writer from produce_with_gap 50000
  target=out start_recv
  start_send <from
  until [[ -n $(find . -name '.out.rdpipe-*') ]]; do pause 0.02; both_alive; done
  kill -KILL "$sender"
  receiver_exits 12
  holds out old
  no_temporaries
}

test_new_target_has_the_umask_mode() {
  umask 027
  echo hello >in
  target=out start_recv
  source=in start_send
  both_succeed 6
  [[ $(stat -c %a out) == 640 ]] || fail "mode $(stat -c %a out)"
}

test_symlink_target_is_followed() {
  echo old >real
  ln -s real out
  echo hello >in
  target=out start_recv
  source=in start_send
  both_succeed 6
  [[ -L out ]] || fail "the symlink was replaced"
  same in real
}

test_fifo_target() {
  echo hello >in
  start_reader out tee got >/dev/null
  target=out start_recv
  source=in start_send
  both_succeed 6
  await_end "$reader"
  [[ -p out ]] || fail "the fifo was replaced"
  same in got
}

test_fifo_source() {
  echo hello >in
  start_writer from cat in
  target=out start_recv
  source=from start_send
  both_succeed 6
  same in out
}

test_null_device_as_target() {
  make_data 1000000 in
  target=/dev/null start_recv
  source=in start_send
  both_succeed 1000000
  [[ -c /dev/null ]] || fail "/dev/null was replaced"
}

test_append_to_redirected_file() {
  echo head >out
  make_data 5000 in
  start_recv >>out
  source=in start_send
  both_succeed 5000
  { echo head; cat in; } >wanted
  same wanted out
}

test_offset_of_redirected_file_moves_on() {
  make_data 5000 in
  start_recv >out
  { read -r -N 1 _ && start_send; } <in
  await_end "$sender"
  receiver_exits 0
  # bash reads a byte ahead of the rest exactly, for a file it can seek in.
  (($(stat -c %s out) < 5000)) || fail "the source was read from its start"
}

test_inplace_keeps_the_inode() {
  make_data 9000 out
  make_data 5000 in
  local inode
  inode=$(stat -c %i out)
  target=out start_recv --inplace
  source=in start_send
  both_succeed 5000
  same in out
  [[ $(stat -c %i out) == "$inode" ]] || fail "another file"
}

# A loop device over the file `disk`, in `device`.
make_block_device() {  # SIZE
  need_root
  truncate -s "$1" disk
  device=$(losetup --find --show disk 2>/dev/null) || skip "no loop devices here"
  undo+=("losetup -d $device")
}

test_block_device_as_target() {
  make_block_device 4M
  make_data 1000001 in
  target=$device start_recv
  source=in start_send
  both_succeed 1000001
  [[ -b $device ]] || fail "the device was replaced"
  sync "$device"
  head -c 1000001 "$device" >out
  same in out
}

test_block_device_as_source() {
  make_block_device 4M
  make_data 4194304 in
  cat in >"$device"
  target=out start_recv
  source=$device start_send
  both_succeed 4194304
  same in out
}

test_disk_full_at_the_first_write() {
  make_small_disk 64k
  make_data 400000 in
  target=small/out start_recv
  source=in start_send
  both_exit 11
  one_error recv.err "No space left"
  one_error send.err "on $(hostname): No space left"
  absent small/out
  no_temporaries
}

test_disk_full_at_a_later_write() {
  make_small_disk 16M
  echo old >small/out
  make_data 40000000 in
  target=small/out start_recv
  source=in start_send
  both_exit 11
  one_error recv.err "No space left"
  one_error send.err "on $(hostname): No space left"
  holds small/out old
  no_temporaries
}

test_full_device_as_target() {
  make_data 100000 in
  target=/dev/full start_recv
  source=in start_send
  both_exit 11
  one_error recv.err "No space left"
  one_error send.err "on $(hostname): No space left"
}

test_full_device_as_stdout() {
  make_data 100000 in
  start_recv >/dev/full
  source=in start_send
  both_exit 11
  one_error recv.err "No space left"
  one_error send.err "on $(hostname): No space left"
}

test_fsync() {
  make_data 100000 in
  target=out start_recv --fsync
  source=in start_send
  both_succeed 100000
  same in out
}

# Into a directory that may be written and not read.
test_fsync_into_a_drop_box() {
  need_root
  become_nobody
  mkdir -m 0333 drop
  echo old >drop/out
  chown 65534 drop/out
  make_data 5000 in
  chmod 644 in
  target=drop/out start_recv --fsync
  source=in start_send
  both_succeed 5000
  same in drop/out
}

# Its group has no rights by the ACL; without the ACL the mask would give it some.
test_replaced_file_keeps_its_acl() {
  type -P setfacl >/dev/null || skip "needs setfacl"
  echo old >out
  chmod 600 out
  setfacl -m u:12345:rw out 2>/dev/null || skip "no ACLs here"
  getfacl -cn out >before
  make_data 5000 in
  target=out start_recv
  source=in start_send
  both_succeed 5000
  same in out
  getfacl -cn out >after
  same before after
}

# ssh, for one, sets O_NONBLOCK on what it shares with others.
test_redirected_file_with_o_nonblock() {
  type -P python3 >/dev/null || skip "python3 is not installed"
  make_data 5000001 in
  exec {file}>out
  python3 -c "import os; os.set_blocking($file, False)"
  start_recv >&"$file"
  exec {input}<in
  python3 -c "import os; os.set_blocking($input, False)"
  start_send <&"$input"
  both_succeed 5000001
  same in out
}

test_terminal_as_stdout() {
  type -P script >/dev/null || skip "no script(1) here"
  seq 20000 >in
  printf '%q ' "$bin/rdrecv" --fabric="$fabric" 0 "$key" >asked
  echo "2>recv.err" >>asked
  : >recv.err
  start script -qec "sh asked" typescript >/dev/null </dev/null
  receiver=$!
  await_listening "$receiver"
  source=in start_send
  both_succeed "$(stat -c %s in)"
  tr -d '\r' <typescript | grep -E '^[0-9]+$' >out
  same in out
}

test_direct_io() {
  local choice
  make_data 9000001 in
  local choices=(auto off)
  # tmpfs takes it from Linux 6.6 on.
  ! dd if=in of=probe oflag=direct bs=4096 count=1 status=none 2>/dev/null || choices+=(on)
  for choice in "${choices[@]}"; do
    target=out start_recv --direct="$choice"
    source=in start_send --direct="$choice"
    both_succeed 9000001
    same in out
  done
}
