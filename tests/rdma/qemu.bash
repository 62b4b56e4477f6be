# shellcheck shell=bash
# Guests under QEMU, for guests.bash: Debian's own kernel, as many cpus as asked for. Emulation is
# the default even where there is a /dev/kvm: a nested one may be there and hang. RDPIPE_GUEST_ACCEL=kvm asks for it.
# shellcheck disable=SC2154,SC2004  # the variables of guests.bash

find_kernel() {
  type -P qemu-system-x86_64 >/dev/null || skip "qemu-system-x86_64 is not installed"
  local paths
  paths=$("$here/fetch-kernel") || exit "$?"
  mapfile -t paths <<<"$paths"
  kernel=${paths[0]} initramfs=${paths[1]} modules=${paths[2]}
}

prepare_job() { realpath "$modules" >"$work/job/modules"; }

# Further arguments are QEMU's. A shell talks over the second serial port.
boot() {  # HOST [QEMU-ARGUMENT...]
  local host=$1
  shift
  # The clock is the HPET: the kernel measures the TSC's frequency at boot, and on a busy machine gets it wrong,
  # once by a factor of twenty.
  local time="clocksource=hpet tsc=unstable no_timer_check"
  local line="console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off swiotlb=noforce $time"
  local command=(qemu-system-x86_64 -no-user-config -nodefaults -no-reboot -display none -monitor none
    -accel "${RDPIPE_GUEST_ACCEL:-tcg,thread=multi}" -cpu max -smp "$cpus" -m "$memory"
    -kernel "$kernel" -initrd "$initramfs" -append "$line rdpipe.host=$host"
    -serial "file:$work/console.$host"
    -virtfs "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
    -virtfs "local,path=$work/job,mount_tag=job,security_model=none")
  [[ -z $out ]] || command+=(-virtfs "local,path=$out,mount_tag=out,security_model=none,multidevs=remap")
  [[ -z $disk ]] || command+=(-drive "file=$disk,format=raw,if=virtio,cache=unsafe")
  if [[ $shell == yes ]]; then
    command+=(-chardev 'stdio,id=tty,signal=off' -serial chardev:tty)
    setpriv --pdeathsig KILL "${command[@]}" "$@" 2>"$work/machine.$host" </dev/stdin &
  else
    setpriv --pdeathsig KILL "${command[@]}" "$@" </dev/null >"$work/machine.$host" 2>&1 &
  fi
  guest[$host]=$!
}

boot_joined() {  # HOST OTHER NUMBER
  local cable="dgram,id=cable,local.type=unix,local.path=$work/cable.$1"
  cable+=",remote.type=unix,remote.path=$work/cable.$2"
  local card="virtio-net-pci,netdev=cable,host_mtu=9000,speed=10000,duplex=full,romfile="
  boot "$1" -netdev "$cable" -device "$card,mac=52:54:00:77:00:0$3"
}

signal_guest() { kill "-$1" "${guest[$2]}"; }  # SIGNAL HOST

make_cable() { :; }
