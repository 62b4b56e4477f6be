# shellcheck shell=sh
# What the first processes of all guests have in common, boot-uml and boot-qemu, which read this file: laying a tmpfs over
# the host's tree and making in it the file systems and nodes of a running system. $layer is an empty directory to build
# in; the new root comes to lie in $layer/new and the job directory in $layer/job. That one says which entries of the
# host's /tmp the job needs.
# shellcheck disable=SC2154  # layer and host are set by who reads this
new=$layer/new
job=$layer/job

die() {
  echo "guest: $*"
  echo o >/proc/sysrq-trigger
  sleep 60
}

argument() {  # NAME: what the kernel command line says of rdpipe.NAME
  sed -n "s|.*rdpipe\.$1=\([^ ]*\).*|\1|p" /proc/cmdline
}

make_root() {  # LOWER
  mount -t tmpfs -o size=75%,mode=755 layer "$layer"
  mkdir "$layer/upper" "$layer/work" "$new" "$job"
  mount -t overlay -o "lowerdir=$1,upperdir=$layer/upper,workdir=$layer/work" root "$new" || die "no overlay"
}

make_system() {
  mount -t tmpfs -o mode=755 run "$new/run"
  mkdir -p "$new/run/guest/job" "$new/run/guest/old" "$new/run/lock" "$new/run/user"
  mkfifo -m 666 "$new/run/guest/out" "$new/run/guest/err"

  mount -t sysfs sys "$new/sys"
  mount -t devtmpfs -o mode=755 dev "$new/dev"
  mkdir -p "$new/dev/pts" "$new/dev/shm" "$new/dev/mapper" "$new/dev/net"
  mount -t devpts -o mode=620,gid=5,ptmxmode=666 devpts "$new/dev/pts"
  mount -t tmpfs -o mode=1777,size=50% shm "$new/dev/shm"
  ln -sfn /proc/self/fd "$new/dev/fd"
  ln -sfn fd/0 "$new/dev/stdin"
  ln -sfn fd/1 "$new/dev/stdout"
  ln -sfn fd/2 "$new/dev/stderr"

  hostname "$host"
  rm -f "$new/etc/hosts"
  cp "$job/hosts" "$new/etc/hosts"
  echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
  echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
  ln -sf "$(cat "$job/guest")/guestctl" "$new/usr/local/bin/guestctl"
}

# A fresh tmpfs on /tmp, in which only what the job names of the host's /tmp appears.
show_tmp() {
  mkdir "$layer/tmp"
  mount --bind "$new/tmp" "$layer/tmp"
  mount -t tmpfs -o mode=1777,size=75% tmp "$new/tmp"
  while read -r entry; do
    if [ -d "$layer/tmp/$entry" ]; then
      mkdir "$new/tmp/$entry"
    elif [ -e "$layer/tmp/$entry" ]; then
      : >"$new/tmp/$entry"
    else
      continue
    fi
    mount --bind "$layer/tmp/$entry" "$new/tmp/$entry"
  done <"$job/$host.tmp"
  umount "$layer/tmp"
}

# `share NAME MOUNT-POINT`, of who reads this, mounts a directory of the host's.
show_output() {
  [ -e "$job/out" ] || return 0
  mkdir "$new/run/guest/files"
  share out "$new/run/guest/files" || die "no output directory"
}

# The last step before the root is changed.
move_mounts() {
  mount -n --move "$job" "$new/run/guest/job"
  mount -n --move /proc "$new/proc"
}
