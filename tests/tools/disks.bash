# shellcheck shell=bash
# Disks that fail, made of the device mapper. For files that lib.sh has read.
# shellcheck disable=SC2154  # lib.sh's variables

# What is undone last was done first.
undo_first() { undo=("$1" "${undo[@]}"); }

# A block device of SIZE over the file `disk`, as the device mapper's `device`: `sectors` sectors of `loop`.
make_disk() {  # SIZE
  need_root
  type -P dmsetup >/dev/null || skip "dmsetup is not installed"
  truncate -s "$1" disk
  loop=$(losetup --find --show disk 2>/dev/null) || skip "no loop devices here"
  undo_first "losetup -d $loop"
  sectors=$(($(stat -c %s disk) / 512))
  mapping=rdpipe-${PWD##*/}-$$
  dmsetup create --noudevsync "$mapping" --table "0 $sectors linear $loop 0" 2>dmsetup.err ||
    skip "no device mapper here: $(head -n 1 dmsetup.err)"
  undo_first "dmsetup remove --noudevsync --force $mapping"
  # The kernel's own name for it: a link in /dev/mapper would need udev.
  device=/dev/dm-$(dmsetup info --columns --noheadings -o minor "$mapping" | tr -d ' ')
  [[ -b $device ]] || skip "no $device"
}

# From now on the device does what the table on stdin says.
remap() {
  cat >table
  dmsetup reload --noudevsync "$mapping" table
  dmsetup suspend --noudevsync --noflush "$mapping"
  dmsetup resume --noudevsync "$mapping"
}

# An error in each access to COUNT sectors from FIRST.
spoil() {  # FIRST COUNT
  local end=$(($1 + $2))
  remap <<END
0 $1 linear $loop 0
$1 $2 error
$end $((sectors - end)) linear $loop $end
END
}

# Every write fails; what is there can still be read.
fail_all_writes() {
  remap <<<"0 $sectors flakey $loop 0 0 3600 1 error_writes" || skip "no flakey device here"
}

# An ext4, made with OPTIONs, at ./mnt, with an old target in it.
mount_disk() {  # SIZE [OPTION...]
  may_mount || skip "may not mount here"
  type -P mkfs.ext4 >/dev/null || skip "mkfs.ext4 is not installed"
  make_disk "$1"
  mkfs.ext4 -q -F "${@:2}" "$device"
  mkdir mnt
  mount "$device" mnt 2>mount.err || skip "no ext4 here: $(head -n 1 mount.err)"
  undo_first "umount -l mnt"
  echo old | tee before >mnt/out
  sync mnt/out
}
