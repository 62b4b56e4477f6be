# shellcheck shell=bash
# Trees for cases of rdcp: made and compared by tests/trees. For files that lib.sh has read.
# shellcheck disable=SC2154  # lib.sh's variables

trees=$(realpath "$cases/../../trees")

need_python() { type -P python3 >/dev/null || skip "python3 is not installed"; }
need_rsync() { type -P rsync >/dev/null || skip "rsync is not installed"; }

# A tree of everything, without the paths that are too long for others.
make_random_tree() {  # SEED DIRECTORY [ENTRIES]
  need_python
  python3 -B "$trees/generate.py" --entries "${3:-100}" "$1" "$2" || fail "no tree of seed $1"
  rm -rf "$2"/deep-and-*
}

# Entry by entry, with all attributes; what is called deep is left out.
equal_trees() {  # LEFT RIGHT
  python3 -B "$trees/compare.py" --holes fewer "$1" "$2" >differences || {
    head -n 12 differences
    fail "$1 and $2 differ"
  }
}

# Whatever is in the directory, a line each: type, mode, name, and what a file holds.
list_tree() {  # DIRECTORY
  (cd "$1" && find . -mindepth 1 \( -type f -printf '%y %m %P ' -exec sh -c 'cat "$1"; echo' _ {} \; \) -o \
    -printf '%y %m %P %l\n' | LC_ALL=C sort)
}

# A number of --stats in copy.out.
stat_of() {  # NAME
  sed -n "s/^$1: //p" copy.out
}
