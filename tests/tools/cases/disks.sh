# shellcheck shell=bash
# Disks that fail, fill up or hang: both ends say so, and the old target stays.

# shellcheck source=tests/tools/disks.bash
source "$cases/../disks.bash"

fails_at_both() {  # REGEX
  both_exit 11
  one_error send.err "$1"
  one_error recv.err "$1"
}

test_read_error() {
  local direct
  make_disk 8M
  make_data 8388608 in
  cat in >"$device"
  sync "$device"
  spoil 8192 8
  for direct in off on; do
    echo "--direct=$direct"
    target=out start_recv
    source=$device start_send --direct="$direct"
    fails_at_both "Input/output error"
    says recv.err "read .* on $(hostname): Input/output error"
    absent out
    no_temporaries
  done
}

test_read_error_leaves_the_old_target() {
  make_disk 8M
  echo old | tee before >out
  spoil 16000 8
  target=out start_recv
  start_send <"$device"
  fails_at_both "Input/output error"
  same before out
  no_temporaries
}

test_write_error_of_a_device() {
  local options
  make_disk 8M
  make_data 8388608 in
  spoil 8192 8
  for options in --fsync --direct=on; do
    echo "$options"
    target=$device start_recv "$options"
    source=in start_send
    fails_at_both "Input/output error"
    says send.err "store .* on $(hostname): Input/output error"
  done
}

test_write_error_of_a_file() {
  local options
  # Without a journal the file system goes on after an error.
  mount_disk 64M -O ^has_journal
  make_data 20000001 in
  fail_all_writes
  for options in --fsync --direct=on "--direct=on --fsync"; do
    echo "$options"
    # shellcheck disable=SC2086  # words
    target=mnt/out start_recv $options
    source=in start_send
    fails_at_both "Input/output error"
    same before mnt/out
    no_temporaries
  done
}

test_write_error_that_stops_the_file_system() {
  mount_disk 64M
  make_data 20000001 in
  fail_all_writes
  target=mnt/out start_recv --fsync
  source=in start_send
  fails_at_both "Input/output error|Read-only file system"
  same before mnt/out
}

test_full_disk() {
  local options
  mount_disk 16M
  make_data 30000001 in
  for options in --direct=auto --direct=off --direct=on --fsync; do
    echo "$options"
    target=mnt/out start_recv "$options"
    source=in start_send
    fails_at_both "No space left"
    same before mnt/out
    no_temporaries
  done
}

test_full_disk_of_an_unknown_length() {
  mount_disk 16M
  make_data 30000001 in
  start_writer from cat in
  target=mnt/out start_recv
  start_send <from
  fails_at_both "No space left"
  same before mnt/out
  no_temporaries
}

# The disk gives no answer for longer than --keep-alive, then it does: slow is not dead.
stop_disk() {
  dmsetup suspend --noudevsync --noflush "$mapping"
  undo_first "dmsetup resume --noudevsync $mapping"
}
goes_on_with_the_disk() {  # SIZE
  pause 3.5
  both_alive
  dmsetup resume --noudevsync "$mapping"
  both_succeed "$1"
}

test_hanging_disk_at_the_sender() {
  make_disk 8M
  make_data 8388608 in
  cat in >"$device"
  sync "$device"
  target=out start_recv --keep-alive 1
  stop_disk
  source=$device start_send --keep-alive 1 --direct=on
  goes_on_with_the_disk 8388608
  same in out
}

test_hanging_disk_at_the_receiver() {
  make_disk 8M
  make_data 8388608 in
  target=$device start_recv --keep-alive 1 --direct=on
  stop_disk
  source=in start_send --keep-alive 1
  goes_on_with_the_disk 8388608
  same in "$device"
}
