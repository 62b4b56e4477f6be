# shellcheck shell=bash
# Snapshots of btrfs, whole and as differences, as rdpipe-recipes(7) sends them; and a `btrfs receive` that fails.

# shellcheck source=tests/tools/recipes.bash
source "$cases/../recipes.bash"

# A btrfs of SIZE, in one kind of block group so that it may be small, at ./NAME.
mount_btrfs() {  # NAME SIZE
  truncate -s "$2" "$1.disk"
  mkfs.btrfs -f -q -M "$1.disk" >mkfs.log 2>&1 || { cat mkfs.log; fail "mkfs.btrfs fails"; }
  mkdir "$1"
  mount -o loop "$1.disk" "$1" 2>mount.err || skip "no btrfs here: $(head -n 1 mount.err)"
  undo=("umount -l $1" "${undo[@]}")
}

make_btrfs() {
  need_root
  may_mount || skip "may not mount here"
  type -P mkfs.btrfs >/dev/null || skip "btrfs-progs is not installed"
  mount_btrfs data 128M
  mount_btrfs backup 128M
  btrfs subvolume create data/photos >/dev/null
  make_data 3000001 data/photos/one
  make_data 100000 data/photos/two
}

change_files() {
  rm data/photos/two
  make_data 1000000 data/photos/three
  printf changed | dd of=data/photos/one bs=1 seek=1000000 conv=notrunc status=none
}

same_trees() { diff -r "$1" "$2" || fail "$1 and $2 differ"; }  # DIRECTORY DIRECTORY
property() { btrfs subvolume show "$2" | sed -n "s/^[[:space:]]*$1:[[:space:]]*//p"; }  # NAME SUBVOLUME

# limit 240
test_recipe_btrfs() {
  make_btrfs
  start_recipe btrfs
  recipe_succeeds
  same_trees data/monday backup/monday
  [[ $(property 'Received UUID' backup/monday) == "$(property UUID data/monday)" ]] || fail "it is not what was sent"
  change_files
  start_recipe btrfs-incremental btrfs
  recipe_succeeds
  same_trees data/tuesday backup/tuesday
  local whole
  whole=$(du -sb data/tuesday | cut -f 1)
  (($(sed -nE 's/.* ([0-9]+) bytes in .*/\1/p' recv.err) < whole / 2)) || fail "more than the differences was sent"
}

# Without what the differences are from; and on a disk that is too small.
# limit 240
test_recipe_btrfs_receive_that_fails() {
  make_btrfs
  btrfs subvolume snapshot -r data/photos data/monday >/dev/null
  change_files
  start_recipe btrfs-incremental btrfs
  recipe_fails rdrecv btrfs 'exited with status 1: ERROR: .*parent'
  make_data 30000000 data/photos/four
  umount backup
  rm -r backup
  mount_btrfs backup 32M
  btrfs subvolume delete data/monday >/dev/null
  start_recipe btrfs
  recipe_fails rdrecv btrfs 'exited with status 1: ERROR: .*No space left on device'
  [[ ! -d backup/monday || $(property 'Received UUID' backup/monday) == - ]] || fail "a part passes for the whole"
}
