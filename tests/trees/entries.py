"""What a tree is: an Entry for each path, with all that a faithful copy has too."""

import dataclasses
import hashlib
import os
import stat

import beneath

BLOCK = 4096
CELL = 1 << 16
ACLS = ("system.posix_acl_access", "system.posix_acl_default")
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink", stat.S_IFIFO: "FIFO",
         stat.S_IFSOCK: "socket", stat.S_IFCHR: "character device", stat.S_IFBLK: "block device"}


@dataclasses.dataclass(frozen=True)
class Entry:
    kind: str
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    size: int = 0           # of a file
    digest: str = ""        # ... and what is in it
    data: frozenset = frozenset()  # ... and the numbers of its blocks that are no holes
    device: tuple = ()      # major, minor
    target: bytes = b""     # of a symlink
    xattrs: tuple = ()      # (name, value), sorted; ACLs apart
    acls: tuple = ()
    links: bytes = b""      # the first path of the same inode; empty when there is no other
    links_outside: int = 0  # names of the inode that are not in the tree


def data_blocks(fd, size):
    """The blocks of the file that are not in holes."""
    blocks, offset = set(), 0
    while offset < size:
        try:
            start = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            break
        offset = os.lseek(fd, start, os.SEEK_HOLE)
        blocks.update(range(start // BLOCK, (offset + BLOCK - 1) // BLOCK))
    return frozenset(blocks)


def content_digest(fd, data):
    """Of all that is not zero and where it is, so that a hole is as good as zeros and takes no time."""
    digest = hashlib.blake2b(digest_size=16)
    for cell in sorted({block * BLOCK // CELL for block in data}):
        content = os.pread(fd, CELL, cell * CELL)
        if content.count(0) != len(content):
            digest.update(b"%d:" % cell + content.rstrip(b"\0"))
    return digest.hexdigest()


def read_content(place):
    """The digest and the data blocks."""
    fd = os.open(place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place.directory)
    try:
        data = data_blocks(fd, os.fstat(fd).st_size)
        return content_digest(fd, data), data
    finally:
        os.close(fd)


def read_xattrs(place):
    path = place.through_proc()
    try:
        names = sorted(os.listxattr(path, follow_symlinks=False))
    except OSError:  # not supported
        return (), ()
    pairs = [(name, os.getxattr(path, name, follow_symlinks=False)) for name in names if name != "security.selinux"]
    return (tuple(pair for pair in pairs if pair[0] not in ACLS), tuple(pair for pair in pairs if pair[0] in ACLS))


def read_entry(place, status):
    kind = KINDS[stat.S_IFMT(status.st_mode)]
    of_kind = {}
    if kind == "file":
        digest, data = read_content(place)
        of_kind = {"size": status.st_size, "digest": digest, "data": data}
    elif kind == "symlink":
        of_kind = {"target": os.readlink(place.name, dir_fd=place.directory)}
    elif kind.endswith("device"):
        of_kind = {"device": (os.major(status.st_rdev), os.minor(status.st_rdev))}
    xattrs, acls = read_xattrs(place)
    return Entry(kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime_ns,
                 xattrs=xattrs, acls=acls, **of_kind)


def read_tree(root):
    """{path: Entry} of the tree in the directory `root`."""
    tree, inodes = {}, {}
    for place in beneath.walk(root):
        status = place.status()
        tree[place.path] = read_entry(place, status)
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
            inodes.setdefault((status.st_dev, status.st_ino), (status.st_nlink, []))[1].append(place.path)
    for count, paths in inodes.values():
        first = min(paths) if len(paths) > 1 else b""
        for path in paths:
            tree[path] = dataclasses.replace(tree[path], links=first, links_outside=count - len(paths))
    return tree
