# shellcheck shell=bash
# shellcheck disable=SC2119  # make_rsh without noise
# How rdcp writes files: in place, within this host, to the medium; and what does not fit into a record.
# shellcheck source=tests/tools/sshd.bash
source "$cases/../sshd.bash"
# shellcheck source=tests/tools/trees.bash
source "$cases/../trees.bash"

# limit 150
test_rdcp_many_long_symlinks() {
  need_python
  make_rsh
  mkdir src
  python3 -c 'for i in range(4500): __import__("os").symlink("t" * 4000, f"src/{i}")'
  copies 0 -r --stats src db2:
  [[ $(find home/src -type l | wc -l) == 4500 ]] || fail "not all are there"
  [[ $fabric != rdma ]] || echo 4500 >>"$run/moved"
}
