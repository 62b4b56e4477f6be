# shellcheck shell=bash
# shellcheck disable=SC2154  # the variables of lib.sh
# What cases with a registry of names have in common.

# A real memcached, whose port becomes `cache`.
start_memcached() {
  type -P memcached >/dev/null || skip "memcached is not installed"
  [[ -e $bin/../lib/rdpipe/librdpipe-memcached.so ]] || skip "built without libmemcached"
  choose_port
  cache=$port
  start memcached -l 127.0.0.1 -p "$cache" -U 0 -u nobody >memcached.log 2>&1 </dev/null
  local left=$((250 * scale))
  until (exec 9<>"/dev/tcp/127.0.0.1/$cache") 2>/dev/null; do
    ((left-- > 0)) || fail "memcached does not listen: $(<memcached.log)"
    pause 0.02
  done
  export RDPIPE_REGISTRY=memcached://127.0.0.1:$cache
}
# What memcached has of a name.
cached() {  # NAME
  exec {connection}<>"/dev/tcp/127.0.0.1/$cache"
  printf 'get rdpipe:%s\r\nquit\r\n' "$1" >&"$connection"
  tr -d '\0' <&"$connection"
  exec {connection}>&-
}
await_cached() {  # NAME
  local left=$((250 * scale))
  until [[ $(cached "$1") == *VALUE* ]]; do
    ((left-- > 0)) || fail "$1 is not registered"
    pause 0.02
  done
}
