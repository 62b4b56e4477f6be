# shellcheck shell=bash
# The recipes of rdpipe-recipes(7) with the programs that they are about, and what both ends say when these fail.

# shellcheck source=tests/tools/recipes.bash
source "$cases/../recipes.bash"

need() { type -P "$1" >/dev/null || skip "$1 is not installed"; }  # PROGRAM

make_image() {
  mkdir -p srv backup
  make_data 3000001 srv/disk.img
  truncate -s 5M srv/disk.img
}

# A loop device of SIZE at `device`.
make_loop() {  # SIZE
  need_root
  truncate -s "$1" "medium.$1"
  device=$(losetup --find --show "medium.$1" 2>/dev/null) || skip "no loop devices here"
  undo+=("losetup -d $device")
}

# What the page shows and nobody runs: ZFS, how the key is made, and the lines that set up what is run elsewhere.
test_recipes_are_all_run() {
  local name end
  while read -r name end; do
    grep -qE "(start_recipe|start_recipe_recv|start_recipe_send) $name\>" "$cases"/{recipes,recipes_btrfs,mbuffer}.sh ||
      fail "nobody runs recipe $name $end"
  done < <(sed -n 's/^\.\\" recipe //p' "$page")
  (($(grep -c '^\.\\" recipe ' "$page") >= 16)) || fail "the marks of the recipes are gone"
}

test_recipe_tar() {
  mkdir -p srv/www/empty backup
  make_data 1000001 srv/www/page
  ln -s page srv/www/link
  start_recipe tar
  recipe_succeeds
  diff -r --no-dereference srv/www backup/www || fail "the trees differ"
  rm -r backup
  start_recipe tar
  recipe_fails rdrecv tar 'exited with status 2: .*(No such file|not recoverable)'
  mkdir backup
  rm -r srv/www
  start_recipe tar
  recipe_fails rdsend tar 'exited with status 2: .*previous errors'
}

test_recipe_zstd() {
  need zstd
  make_image
  start_recipe zstd
  recipe_succeeds
  zstd -q -d -c backup/disk.img.zst | cmp - srv/disk.img || fail "the image differs"
  mv srv/disk.img before
  start_recipe zstd
  recipe_fails rdsend zstd 'exited with status 1'
  zstd -q -t backup/disk.img.zst || fail "a copy that failed has replaced the old one"
  start_recipe zstd-back
  recipe_succeeds
  same before srv/disk.img
  head -c 1000 backup/disk.img.zst >short
  mv short backup/disk.img.zst
  start_recipe zstd-back
  recipe_fails rdrecv zstd 'exited with status 1: .*(premature|incomplete|unexpected)'
}

test_recipe_openssl() {
  need openssl
  make_image
  head -c 32 /dev/urandom | xxd -p -c 32 >srv/archive-key
  start_recipe openssl
  recipe_succeeds
  ! cmp -s srv/disk.img backup/disk.img.enc || fail "nothing is encrypted"
  mv srv/disk.img before
  start_recipe openssl-back
  recipe_succeeds
  same before srv/disk.img
  cp backup/disk.img.enc old
  rm srv/archive-key
  start_recipe openssl
  recipe_fails rdsend openssl 'exited with status 1'
  same old backup/disk.img.enc
}

test_recipe_dd() {
  make_image
  make_loop 6M
  start_recipe dd
  recipe_succeeds
  cmp -n 5242880 srv/disk.img "$device" || fail "the device differs"
  make_data 5242880 srv/disk.img
  start_recipe_recv device
  start_recipe_send dd
  recipe_succeeds
  cmp -n 5242880 srv/disk.img "$device" || fail "the device differs without dd"
  make_loop 4M
  start_recipe dd
  recipe_fails rdrecv dd 'exited with status 1: .*No space left on device'
}

# A PostgreSQL server of its own, in DIRECTORY, on a socket in `sockets`.
start_postgres() {  # DIRECTORY
  env --default-signal=INT,QUIT "${wrap[@]}" "$postgres/postgres" -D "$1" -k "$PWD/sockets" -c listen_addresses= \
    -c fsync=off -c shared_buffers=16MB </dev/null >postgres.log 2>&1 &
  server=$!
  undo=("! runs $server || { kill -QUIT $server; await_end $server; }")
  local left=$((1500 * scale))
  until [[ $(ask 'SELECT 1') == 1 ]]; do
    runs "$server" || { cat postgres.log; fail "postgres has ended"; }
    ((left-- > 0)) || { cat postgres.log; fail "postgres does not answer"; }
    pause 0.02
  done
}
# At once, but in good order.
stop_postgres() {
  kill -INT "$server"
  await_end "$server" 60
}
ask() { "${wrap[@]}" env PGHOST="$PWD/sockets" PGUSER=nobody PGDATABASE=postgres "$postgres/psql" -qAt -c "$1" 2>psql.err || true; }

# limit 300
# over rdma with --long: a database server takes minutes to start where all is emulated
test_recipe_pg_basebackup() {
  postgres=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
  [[ -x $postgres/initdb && -x $postgres/pg_basebackup ]] || skip "postgresql is not installed"
  ((EUID != 0)) || become_nobody
  mkdir -m 777 sockets backup
  mkdir -m 777 cluster
  "${wrap[@]}" "$postgres/initdb" --no-sync -U nobody -A trust -D "$PWD/cluster/data" >initdb.log 2>&1 ||
    { cat initdb.log; fail "initdb fails"; }
  start_postgres "$PWD/cluster/data"
  ask 'CREATE TABLE numbers AS SELECT generate_series(1, 100000) AS n' >/dev/null
  export PGHOST=$PWD/sockets PGUSER=nobody
  start_recipe pg_basebackup
  recipe_succeeds
  stop_postgres
  cp backup/base.tar before
  start_recipe pg_basebackup
  recipe_fails rdsend pg_basebackup 'exited with status 1: .*Is the server running'
  same before backup/base.tar
  # It is a whole cluster.
  "${wrap[@]}" mkdir -m 700 cluster/restored
  "${wrap[@]}" tar -C cluster/restored -xf - <backup/base.tar
  start_postgres "$PWD/cluster/restored"
  [[ $(ask 'SELECT count(*) FROM numbers') == 100000 ]] || fail "the restored table: $(ask 'SELECT count(*) FROM numbers')"
  stop_postgres
}
