#!/usr/bin/env python3
"""Two trees, compared entry by entry.

    compare [--holes same|fewer|any] [--without PREFIX]... LEFT RIGHT

Prints a line for each difference, and exits 1 if there is one. Holes: the right tree has the same (default), or at
least those of the left one (fewer blocks), or any."""

import argparse
import collections
import dataclasses
import os
import sys

import beneath
import entries

Difference = collections.namedtuple("Difference", "path aspect left right")

# The digest is named last: a different size says it all.
ASPECTS = ("kind", "mode", "uid", "gid", "mtime_ns", "device", "target", "xattrs", "acls", "links", "links_outside",
           "size", "digest")


def holes_differ(left, right, holes):
    if holes == "any" or left.digest != right.digest:
        return False
    return left.data != right.data if holes == "same" else not right.data <= left.data


def entry_differences(path, left, right, holes):
    if left.kind != right.kind:
        yield Difference(path, "kind", left.kind, right.kind)
        return
    for aspect in ASPECTS[1:]:
        ours, theirs = getattr(left, aspect), getattr(right, aspect)
        if ours != theirs:
            yield Difference(path, aspect, ours, theirs)
    if holes_differ(left, right, holes):
        yield Difference(path, "holes", len(left.data), len(right.data))


def differences(left, right, holes="same"):
    """Those between two trees as read_tree() gives them, as a list of Difference, by path."""
    found = []
    for path in sorted(left.keys() | right.keys()):
        if path not in right:
            found.append(Difference(path, "kind", left[path].kind, "absent"))
        elif path not in left:
            found.append(Difference(path, "kind", "absent", right[path].kind))
        else:
            found.extend(entry_differences(path, left[path], right[path], holes))
    return found


def without(tree, prefixes):
    """The tree less everything at and beneath the prefixes. A hard-link group loses what is there."""
    def is_out(path):
        return any(path == prefix or path.startswith(prefix + b"/") for prefix in prefixes)

    return only(tree, {path for path in tree if not is_out(path)})


def only(tree, paths):
    """Of the tree, what has these paths. A hard-link group loses its other names."""
    kept = {path: entry for path, entry in tree.items() if path in paths}
    groups = collections.defaultdict(list)
    for path, entry in kept.items():
        if entry.links:
            groups[entry.links].append(path)
    for paths in groups.values():
        first = min(paths) if len(paths) > 1 else b""
        for path in paths:
            kept[path] = dataclasses.replace(kept[path], links=first)
    return kept


def shown(value):
    if isinstance(value, bytes):
        text = repr(value)[1:]
    elif isinstance(value, tuple):
        text = "{" + ", ".join(f"{name}={data.hex()}" if isinstance(data, bytes) else str(data)
                               for name, data in value) + "}" if value and isinstance(value[0], tuple) else str(value)
    else:
        text = str(value)
    return text if len(text) <= 120 else f"{text[:80]}... ({len(text)})"


def describe(difference, names=("left", "right")):
    left, right = difference.left, difference.right
    if difference.aspect == "mode":
        left, right = f"{left:04o}", f"{right:04o}"
    path = difference.path if len(difference.path) <= 300 else difference.path[:120] + b"..." + difference.path[-120:]
    return f"{shown(path or b'.')}: {difference.aspect}: {names[0]} {shown(left)}, {names[1]} {shown(right)}"


def main():
    parser = argparse.ArgumentParser(usage="compare [--holes same|fewer|any] [--without PREFIX]... LEFT RIGHT")
    parser.add_argument("--holes", choices=("same", "fewer", "any"), default="same")
    parser.add_argument("--without", action="append", default=[], type=os.fsencode)
    parser.add_argument("trees", nargs=2)
    options = parser.parse_args()
    beneath.allow_many_descriptors()
    left, right = (without(entries.read_tree(root), options.without) for root in options.trees)
    found = differences(left, right, options.holes)
    for difference in found:
        print(describe(difference))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
