# shellcheck shell=bash
# What fetch-kernel and build-kernel have in common: Debian packages that are downloaded into the cache and not installed,
# by any user.
cache=${RDPIPE_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/rdpipe}
PATH=$PATH:/usr/sbin:/sbin

skip() {
  echo "${0##*/}: skip: $*" >&2
  exit 77
}

require() {  # TOOL...
  [[ $(uname -m) == x86_64 ]] || skip "the guests are x86_64 and this machine is $(uname -m)"
  local tool
  for tool in "$@"; do
    type -P "$tool" >/dev/null || skip "$tool is not installed"
  done
}

# Waits for other processes that fill the cache.
lock_cache() {  # NAME
  mkdir -p "$cache"
  exec 9>"$cache/$1"
  flock 9
}

# apt with the machine's own package lists, or with lists of our own where it has none (a fresh container).
apt_options=()
use_private_lists() {
  mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial"
  apt_options=(-o "Dir::State::Lists=$cache/apt/lists" -o "Dir::Cache=$cache/apt" -o Debug::NoLocking=1)
  [[ $EUID != 0 ]] || apt_options+=(-o APT::Sandbox::User=root)
  apt-get "${apt_options[@]}" -qq update >&2 || skip "apt-get update failed"
}

try_download() {  # PACKAGE DIRECTORY
  local options=("${apt_options[@]}")
  [[ $EUID != 0 ]] || options+=(-o APT::Sandbox::User=root)
  (cd "$2" && apt-get "${options[@]}" -qq download "$1" >&2)
}

# Lists that are there may be too old: the archive then no longer has that version.
download() {  # PACKAGE DIRECTORY
  try_download "$@" && return
  use_private_lists
  try_download "$@" || skip "cannot download $1"
}
