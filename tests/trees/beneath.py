"""Directories reached one component at a time beneath a descriptor, so that a path may be longer than PATH_MAX and no
symlink is ever followed. Paths are bytes relative to the root, components joined by b"/"; the root itself is b""."""

import contextlib
import dataclasses
import os
import resource
import stat

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def allow_many_descriptors():
    """One descriptor stays open for each level of the tree that is walked."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclasses.dataclass(frozen=True)
class Place:
    """An entry by the descriptor of its directory and its name there. The root is "." in itself."""

    directory: int
    name: bytes
    path: bytes

    def status(self):
        return os.stat(self.name, dir_fd=self.directory, follow_symlinks=False)

    def through_proc(self):
        """A short path, for calls that take no directory descriptor."""
        return b"/proc/self/fd/%d/%s" % (self.directory, self.name)


def is_directory(place):
    return stat.S_ISDIR(place.status().st_mode)


def join(path, name):
    return path + b"/" + name if path else name


def names_in(directory):
    return sorted(os.fsencode(name) for name in os.listdir(directory))


def walk(root):
    """Every Place of the tree in the directory `root`, the root first, each directory before what is in it. Its descriptor
    is open until the next is asked for. Names are those that were there when their directory was entered."""
    top = os.open(root, DIRECTORY)
    levels = [(top, b"", iter(names_in(top)))]
    try:
        yield Place(top, b".", b"")
        while levels:
            directory, path, names = levels[-1]
            name = next(names, None)
            if name is None:
                os.close(levels.pop()[0])
                continue
            place = Place(directory, name, join(path, name))
            with contextlib.suppress(FileNotFoundError):
                below = is_directory(place)
                yield place
                if below:
                    fd = os.open(name, DIRECTORY, dir_fd=directory)
                    levels.append((fd, place.path, iter(names_in(fd))))
    finally:
        for directory, _, _ in levels:
            os.close(directory)


@contextlib.contextmanager
def opened(root, path):
    """The descriptor of the directory `path` beneath `root`."""
    directory = os.open(root, DIRECTORY)
    try:
        for name in path.split(b"/") if path else []:
            below = os.open(name, DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = below
        yield directory
    finally:
        os.close(directory)


@contextlib.contextmanager
def place_of(root, path):
    parent, _, name = path.rpartition(b"/")
    with opened(root, parent) as directory:
        yield Place(directory, name or b".", path)


def empty(directory):
    """Removes all that is in the directory of the descriptor, whatever the modes and however deep."""
    levels = [(os.dup(directory), iter(names_in(directory)), b"")]
    while levels:
        fd, names, own_name = levels[-1]
        name = next(names, None)
        if name is None:
            os.close(levels.pop()[0])
            if levels:
                os.rmdir(own_name, dir_fd=levels[-1][0])
        elif is_directory(Place(fd, name, b"")):
            os.chmod(name, 0o700, dir_fd=fd)
            below = os.open(name, DIRECTORY, dir_fd=fd)
            levels.append((below, iter(names_in(below)), name))
        else:
            os.unlink(name, dir_fd=fd)


def remove_tree(root):
    """Removes the directory `root` and all that is in it."""
    if os.path.lexists(root):
        os.chmod(root, 0o700)
        with opened(root, b"") as directory:
            empty(directory)
        os.rmdir(root)
