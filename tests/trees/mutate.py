#!/usr/bin/env python3
"""Changes a tree a little, as a user may between two copies: some content, some attributes, some names, some types.

    mutate [--changes N] SEED DIRECTORY

What gets other content of the same size gets another second of modification, too: else no quick check could see it."""

import argparse
import contextlib
import os
import random
import stat
import sys

import beneath
from attributes import AttributeMaker
from generate import DEEP, TreeMaker
from surroundings import find_abilities



@contextlib.contextmanager
def writable(place):
    """The directory of `place` can be changed for a while, and then has its mode again."""
    mode = stat.S_IMODE(os.fstat(place.directory).st_mode)
    os.fchmod(place.directory, mode | 0o700)
    try:
        yield
    finally:
        os.fchmod(place.directory, mode)


def remove(place):
    if beneath.is_directory(place):
        beneath.remove_tree(place.through_proc())
    else:
        os.unlink(place.name, dir_fd=place.directory)


class Mutator:
    def __init__(self, root, rng, abilities):
        self.root = root
        self.rng = rng
        self.attributes = AttributeMaker(rng, abilities)
        self.maker = TreeMaker(rng, abilities, entries=0)

    def paths(self, of_kind):
        """All of the kind; not in the deep parts, which rsync is not asked to copy."""
        return [place.path for place in beneath.walk(self.root)
                if place.path and not place.path.startswith(DEEP) and of_kind(place.status().st_mode)]

    def choose(self, of_kind):
        """A place, to be used as a context; None where there is none of the kind."""
        paths = self.paths(of_kind)
        return beneath.place_of(self.root, self.rng.choice(paths)) if paths else contextlib.nullcontext()

    @contextlib.contextmanager
    def content(self, place):
        """The file opened for reading and writing, whose time then changes."""
        mode = stat.S_IMODE(place.status().st_mode)
        os.chmod(place.name, mode | 0o600, dir_fd=place.directory)
        fd = os.open(place.name, os.O_RDWR | os.O_NOFOLLOW, dir_fd=place.directory)
        try:
            yield fd
        finally:
            os.close(fd)
            os.chmod(place.name, mode, dir_fd=place.directory)
            self.attributes.set_time(place)

    # Changes. Each is given a place of its kind.

    def rewrite(self, place):
        with self.content(place) as fd:
            os.pwrite(fd, self.rng.randbytes(100), self.rng.randrange(max(1, os.fstat(fd).st_size)))

    def append(self, place):
        with self.content(place) as fd:
            os.pwrite(fd, self.rng.randbytes(self.rng.choice((1, 4096, 70000))), os.fstat(fd).st_size)

    def cut(self, place):
        with self.content(place) as fd:
            os.ftruncate(fd, self.rng.randrange(os.fstat(fd).st_size + 1))

    def touch(self, place):
        self.attributes.set_time(place)

    def set_attributes(self, place):
        mode = place.status().st_mode
        kind = "directory" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "FIFO"
        self.attributes.set_all(place, "symlink" if stat.S_ISLNK(mode) else kind)

    def drop_attributes(self, place):
        path = place.through_proc()
        with contextlib.suppress(OSError):
            for name in os.listxattr(path, follow_symlinks=False):
                os.removexattr(path, name, follow_symlinks=False)

    def remove(self, place):
        with writable(place):
            remove(place)

    def replace(self, place):
        """By something of any type."""
        with writable(place):
            remove(place)
            self.maker.left = self.rng.randrange(1, 6)
            self.maker.make(place, 4)

    def rename(self, place):
        with writable(place):
            # A directory that moves is itself written to.
            name = self.maker.new_name(place.directory)
            os.rename(place.name, name, src_dir_fd=place.directory, dst_dir_fd=place.directory)

    def add_below(self, place):
        with beneath.opened(place.through_proc(), b"") as directory:
            new = beneath.Place(directory, self.maker.new_name(directory), b"")
            with writable(new):
                self.maker.left = self.rng.randrange(1, 6)
                self.maker.make(new, 4)

    def add_link(self, place):
        with writable(place):
            os.link(place.name, self.maker.new_name(place.directory), src_dir_fd=place.directory,
                    dst_dir_fd=place.directory, follow_symlinks=False)

    def break_link(self, place):
        """A name of its own content for what shared one."""
        with writable(place):
            os.unlink(place.name, dir_fd=place.directory)
            self.attributes.set_all(place, self.maker.make_file(place.directory, place.name))

    def change(self):
        anything, not_directory = (lambda mode: True), (lambda mode: not stat.S_ISDIR(mode))
        change, of_kind = self.rng.choice((
            (self.rewrite, stat.S_ISREG), (self.append, stat.S_ISREG), (self.cut, stat.S_ISREG), (self.touch, anything),
            (self.set_attributes, anything), (self.set_attributes, stat.S_ISDIR), (self.drop_attributes, anything),
            (self.remove, anything), (self.replace, anything), (self.replace, stat.S_ISDIR), (self.rename, not_directory),
            (self.rename, stat.S_ISDIR), (self.add_below, stat.S_ISDIR), (self.add_below, stat.S_ISDIR),
            (self.add_link, not_directory), (self.break_link, stat.S_ISREG)))
        with self.choose(of_kind) as place:
            if place:
                change(place)


def mutate(root, seed, abilities, changes=15):
    rng = random.Random(f"changes {seed}")
    mutator = Mutator(root, rng, abilities)
    try:
        for _ in range(rng.randrange(1, changes + 1)):
            mutator.change()
    finally:
        mutator.maker.close()


def main():
    parser = argparse.ArgumentParser(usage="mutate [--changes N] SEED DIRECTORY")
    parser.add_argument("--changes", type=int, default=15)
    parser.add_argument("seed")
    parser.add_argument("directory")
    options = parser.parse_args()
    beneath.allow_many_descriptors()
    mutate(options.directory, options.seed, find_abilities(os.path.dirname(os.path.abspath(options.directory))),
           options.changes)


if __name__ == "__main__":
    sys.exit(main())
