#!/usr/bin/env python3
"""A random tree with everything in it that makes copying hard. The same seed gives the same tree.

    generate [--entries N] SEED DIRECTORY       DIRECTORY is created
"""

import argparse
import os
import random
import socket
import stat
import sys

import beneath
from attributes import AttributeMaker
from surroundings import find_abilities

NAMES = (b"plain", b"a b", b" leading", b"trailing ", b"new\nline", b"'single'", b'"double"', b"back\\slash", b"-rf",
         b"--delete", b"*", b"?", b"[a-z]", b"{x,y}", b"~", b"~root", b"...", b"dots..", b"..hidden", b".hidden",
         b"$HOME", b"`id`", b"$(id)", b"a;b", b"a&b", b"host:path", b"#x#", b"%s%n", b"\x01\x7f\x1b[31m", b"\xff\xfe\x80",
         b"caf\xc3\xa9", b"cafe\xcc\x81", b"\xf0\x9f\x90\x9f", b"CASE", b"case", b"tab\there", b"\r", b"\\#012", b"!", b"|",
         b"x" * 255, b"\xe9" * 255, b".x.rdpipe-0123abcd", b".plain.rdpipe-abcdefgh", b".case.rdpipe-partial", b"core", b"backup~", b".~tmp~")
SIZES = (0, 0, 1, 2, 100, 511, 4095, 4096, 4097, 8192, 65536, 131071, 300001)
DEEP = (b"deep-and-long", b"deep-and-short")  # the first components of paths longer than PATH_MAX


class TreeMaker:
    def __init__(self, rng, abilities, entries):
        self.rng = rng
        self.abilities = abilities
        self.attributes = AttributeMaker(rng, abilities)
        self.left = entries
        self.large = rng.choice((0, 0, 1, 2))
        self.linkable = []  # descriptors of what may get a second name, with its kind

    def close(self):
        for fd, _ in self.linkable:
            os.close(fd)

    def new_name(self, directory):
        taken = set(beneath.names_in(directory))
        for _ in range(1000):
            name = self.rng.choice(NAMES)
            if name in taken:
                name = (b"%d" % self.rng.randrange(1000) + name)[:255]
            if name not in taken:
                return name
        raise RuntimeError("no name is left")

    # What a file holds.

    def content(self):
        """[(offset, bytes)] and the size."""
        if self.abilities.holes and self.rng.randrange(6) == 0:
            return self.sparse_content()
        if self.large > 0 and self.rng.randrange(10) == 0:
            self.large -= 1
            size = self.rng.randrange(1 << 20, 5 << 20)
        else:
            size = self.rng.choice(SIZES) if self.rng.randrange(2) else self.rng.randrange(10000)
        fill = bytes(size) if self.rng.randrange(8) == 0 else self.rng.randbytes(size)
        return [(0, fill)], size

    def sparse_content(self):
        size = self.rng.choice((1, 4096, 5000, 65536, 1 << 20, (1 << 20) + 1, 3 << 20, 40 << 20))
        pieces = []
        for _ in range(self.rng.randrange(5)):
            length = min(size, self.rng.choice((1, 100, 4096, 5000, 70000)))
            offset = self.rng.randrange(size - length + 1)
            if self.rng.randrange(2):
                offset -= offset % 4096
            pieces.append((offset, self.rng.randbytes(length)))
        return pieces, size

    def write(self, fd):
        pieces, size = self.content()
        for offset, data in pieces:
            os.pwrite(fd, data, offset)
        os.ftruncate(fd, size)

    # Entries. Each makes one and says its kind.

    def make_file(self, directory, name):
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=directory)
        try:
            self.write(fd)
        finally:
            os.close(fd)
        return "file"

    def make_directory(self, directory, name):
        os.mkdir(name, 0o700, dir_fd=directory)
        return "directory"

    def make_symlink(self, directory, name):
        there = beneath.names_in(directory)
        target = self.rng.choice((
            b"nowhere", name, b"..", b".", b"/etc/passwd", b"/", b"../" * 30 + b"etc/passwd", b"a//b/../c/", b"new\nline",
            b"\xff\xfe", b"t" * 4000, self.rng.choice(there) if there else b"dangling"))
        os.symlink(target, name, dir_fd=directory)
        return "symlink"

    def make_fifo(self, directory, name):
        os.mkfifo(name, 0o600, dir_fd=directory)
        return "FIFO"

    def make_socket(self, directory, name):
        # A path of a socket's address is short, and relative to nothing but the current directory.
        scratch = b"/proc/self/fd/%d/.s%d" % (directory, self.rng.randrange(10**6))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(scratch)
        os.rename(os.path.basename(scratch), name, src_dir_fd=directory, dst_dir_fd=directory)
        return "socket"

    def make_device(self, directory, name):
        kind = self.rng.choice((stat.S_IFCHR, stat.S_IFBLK))
        device = os.makedev(self.rng.choice((1, 7, 259, 4095)), self.rng.choice((0, 3, 255, 256, 1048575)))
        os.mknod(name, kind | 0o600, device, dir_fd=directory)
        return "device"

    def make_hard_link(self, directory, name):
        fd, kind = self.rng.choice(self.linkable)
        if os.stat(fd).st_nlink == 0:  # it has been changed into something else
            return self.make_file(directory, name)
        os.link(b"/proc/self/fd/%d" % fd, name, dst_dir_fd=directory, follow_symlinks=True)
        return kind

    def choose(self, depth):
        makers = [self.make_file] * 10 + [self.make_symlink] * 3 + [self.make_fifo, self.make_socket]
        if depth < 6:
            makers += [self.make_directory] * 5
        if self.abilities.devices:
            makers.append(self.make_device)
        if self.linkable:
            makers += [self.make_hard_link] * 2
        return self.rng.choice(makers)

    def remember(self, place, kind):
        if kind != "directory" and len(self.linkable) < 50 and self.rng.randrange(4) == 0:
            self.linkable.append((os.open(place.name, os.O_PATH | os.O_NOFOLLOW, dir_fd=place.directory), kind))

    def make(self, place, depth):
        """Something at `place`, with all that is in it, and its attributes."""
        self.left -= 1
        maker = self.choose(depth)
        kind = maker(place.directory, place.name)
        if kind == "directory":
            with beneath.opened(place.through_proc(), b"") as below:
                self.fill(below, place.path, depth + 1)
        if maker != self.make_hard_link or self.rng.randrange(4) == 0:
            self.attributes.set_all(place, kind)
        if maker != self.make_hard_link:
            self.remember(place, kind)

    def fill(self, directory, path, depth):
        for _ in range(self.rng.choice((0, 1, 3, 8, 20))):
            if self.left > 0:
                name = self.new_name(directory)
                self.make(beneath.Place(directory, name, beneath.join(path, name)), depth)

    def make_deep(self, root, first):
        """A chain of directories whose path is longer than PATH_MAX, with a file at its end."""
        names = [first] + [b"d" * 240] * 20 if first == DEEP[0] else [first] + [b"d"] * 2100
        levels = [os.open(root, beneath.DIRECTORY)]
        for name in names:
            os.mkdir(name, 0o700, dir_fd=levels[-1])
            levels.append(os.open(name, beneath.DIRECTORY, dir_fd=levels[-1]))
        self.attributes.set_all(beneath.Place(levels[-1], b"end", b""), self.make_file(levels[-1], b"end"))
        while len(levels) > 1:
            os.close(levels.pop())
            if len(levels) < 10 or len(levels) % 100 == 0:
                self.attributes.set_all(beneath.Place(levels[-1], names[len(levels) - 1], b""), "directory")
        os.close(levels[0])


def generate(root, seed, abilities, entries=150):
    """Makes the directory `root` and the tree of `seed` in it."""
    rng = random.Random(f"tree {seed}")
    maker = TreeMaker(rng, abilities, entries)
    os.mkdir(root, 0o700)
    try:
        with beneath.opened(root, b"") as directory:
            while maker.left > 0:
                maker.fill(directory, b"", 0)
        if deep := rng.choice((b"",) * 5 + DEEP[:1] * 3 + DEEP[1:]):
            maker.make_deep(root, deep)
        parent, name = os.path.split(os.fsencode(root))
        with beneath.opened(parent, b"") as directory:
            maker.attributes.set_all(beneath.Place(directory, name, b""), "directory")
            # Others are to look into it, and who made it is to change it.
            os.chmod(root, 0o755 if abilities.root else 0o700)
    finally:
        maker.close()


def main():
    parser = argparse.ArgumentParser(usage="generate [--entries N] SEED DIRECTORY")
    parser.add_argument("--entries", type=int, default=150)
    parser.add_argument("seed")
    parser.add_argument("directory")
    options = parser.parse_args()
    beneath.allow_many_descriptors()
    parent = os.path.dirname(os.path.abspath(options.directory))
    generate(os.path.abspath(options.directory), options.seed, find_abilities(parent), options.entries)


if __name__ == "__main__":
    sys.exit(main())
