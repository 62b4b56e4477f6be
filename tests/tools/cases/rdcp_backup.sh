# shellcheck shell=bash
# shellcheck disable=SC2119  # make_rsh without noise
# Backups that go elsewhere, and what happens where they cannot: nothing is lost.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"

# over rdma with --long: what is kept, not how it moves
test_rdcp_backs_up_to_another_file_system() {
  make_small_disk 16M
  make_rsh
  mkdir -p src home/copy/gone
  make_data 300001 src/replaced
  make_data 200001 home/copy/replaced
  make_data 100001 home/copy/gone/deleted
  cp -a home/copy before
  touch -d @1000000000 home/copy/replaced before/replaced
  chmod 640 home/copy/replaced
  ln -s nowhere home/copy/gone/link
  mkfifo home/copy/gone/fifo
  copies 0 -r --delete --backup-dir="$PWD/small/kept" src/ db2:copy
  same src/replaced home/copy/replaced
  absent home/copy/gone
  same before/replaced small/kept/replaced
  [[ $(stat -c '%a %Y' small/kept/replaced) == "640 1000000000" ]] || fail "other attributes"
  same before/gone/deleted small/kept/gone/deleted
  [[ $(readlink small/kept/gone/link) == nowhere && -p small/kept/gone/fifo ]] || fail "no symlink or no FIFO"
  no_temporaries
}

# over rdma with --long: what is kept, not how it moves
test_rdcp_without_a_backup_nothing_goes() {
  make_rsh
  mkdir -p src home/copy/gone home/shut
  echo new >src/replaced
  echo fine >src/fine
  echo older >home/copy/replaced
  echo old >home/copy/gone/deleted
  become_nobody
  chown -R nobody home src
  chown root home/shut
  chmod 755 home/shut
  copy=("${wrap[@]}" "${copy[@]}")
  copies 23 -r --delete --backup-dir=../shut/kept src/ db2:copy
  holds home/copy/fine fine
  holds home/copy/replaced older
  holds home/copy/gone/deleted old
  (($(grep -c "back" copy.err) == 2)) || { show copy.err; fail "not a line for each"; }
}
