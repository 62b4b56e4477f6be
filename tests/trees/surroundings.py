"""What the file system and the user let a test do. The script that uses it says so: what is not there is not tested."""

import dataclasses
import os
import pathlib
import stat
import tempfile

import beneath
from attributes import ACCESS, CAPABILITY, acl_value


@dataclasses.dataclass
class Abilities:
    """What entries can be given here."""

    root: bool = False           # owners, modes that shut out the owner
    xattrs: bool = False         # user.*
    trusted: bool = False        # trusted.*
    capabilities: bool = False   # security.capability
    acls: bool = False
    devices: bool = False
    holes: bool = False

    def missing(self):
        return [field.name for field in dataclasses.fields(self) if not getattr(self, field.name)]


def works(action):
    try:
        action()
    except OSError:
        return False
    return True


def has_holes(path):
    fd = os.open(path, os.O_RDWR)
    try:
        os.pwrite(fd, b"x", 1 << 20)
        return os.lseek(fd, 0, os.SEEK_DATA) > 0
    finally:
        os.close(fd)


def find_abilities(directory):
    """Those of the current user in `directory`."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        path = os.path.join(scratch, "probe")
        pathlib.Path(path).touch()
        return Abilities(
            root=os.geteuid() == 0 and works(lambda: os.chown(path, 12345, 12345)),
            xattrs=works(lambda: os.setxattr(path, "user.probe", b"1")),
            trusted=works(lambda: os.setxattr(path, "trusted.probe", b"1")),
            capabilities=works(lambda: os.setxattr(path, "security.capability", CAPABILITY)),
            acls=works(lambda: os.setxattr(path, ACCESS, acl_value(0o640, {12: 4}, {}))),
            devices=works(lambda: os.mknod(path + "-device", stat.S_IFCHR | 0o600, os.makedev(1, 3))),
            holes=has_holes(path))


class Workshop:
    """An empty directory that is removed with all that is in it, however deep and whatever its modes."""

    def __init__(self, under):
        self.path = tempfile.mkdtemp(prefix="rdpipe-trees.", dir=under)
        self.kept = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if not self.kept:
            beneath.remove_tree(self.path)

    def keep(self, what):
        """Leaves all of it for somebody to look at."""
        self.kept = True
        print("-- kept:", " ".join(what), flush=True)

    def __truediv__(self, name):
        return os.path.join(self.path, name)
