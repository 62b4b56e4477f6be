"""Modes, owners, times, extended attributes and ACLs, chosen at random among those that are easily got wrong."""

import errno
import os
import struct

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
# Revision 2 of security.capability: cap_net_bind_service, effective and permitted.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
NO_ID = 0xFFFFFFFF

FILE_MODES = (0o644, 0o600, 0o444, 0o400, 0o755, 0o640, 0o777, 0o4755, 0o2755, 0o1644, 0o6711, 0o7777, 0o666)
DIRECTORY_MODES = (0o755, 0o700, 0o750, 0o555, 0o500, 0o1777, 0o2775, 0o3777, 0o2555, 0o711, 0o777)
SHUT_MODES = (0o000, 0o111, 0o2000, 0o4000, 0o222)  # root can still read them
OWNERS = (0, 1, 2, 1000, 12345, 65534, 4000000000)
SECOND = 10**9
# ext4 goes from 1901 to 2446.
TIMES = (0, -1, -SECOND, -86400 * SECOND - 999_999_999, -2**31 * SECOND, 2**31 * SECOND + 7, 2**32 * SECOND - 1,
         2**32 * SECOND + 123_456_789, 13 * 10**9 * SECOND + 1)


def acl_value(mode, users, groups, mask=None):
    """The kernel's form of an ACL with the owner's, the group's and the others' bits of `mode`, and {id: bits}."""
    entries = [(USER_OBJ, mode >> 6 & 7, NO_ID)]
    entries += [(USER, bits, uid) for uid, bits in sorted(users.items())]
    entries.append((GROUP_OBJ, mode >> 3 & 7, NO_ID))
    entries += [(GROUP, bits, gid) for gid, bits in sorted(groups.items())]
    if users or groups:
        entries.append((MASK, 7 if mask is None else mask, NO_ID))
    entries.append((OTHER, mode & 7, NO_ID))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


class AttributeMaker:
    """Gives a Place attributes, as far as `abilities` go. Nobody's own access is taken away except root's."""

    def __init__(self, rng, abilities):
        self.rng = rng
        self.abilities = abilities

    def seldom(self, one_in):
        return self.rng.randrange(one_in) == 0

    def mode(self, modes):
        if self.abilities.root and self.seldom(12):
            modes = SHUT_MODES
        return self.rng.choice(modes)

    def time_ns(self):
        if self.seldom(4):
            return self.rng.choice(TIMES)
        return self.rng.randrange(10**9 * SECOND, 17 * 10**8 * SECOND)

    def owner(self):
        return self.rng.choice(OWNERS) if self.seldom(3) else 0

    def acl(self, directory):
        def ids():
            return {uid: self.rng.randrange(8) for uid in self.rng.sample(OWNERS, self.rng.randrange(3))}

        # Without root, the owner goes on reading what is his.
        mode = self.rng.randrange(0o1000) | (0 if self.abilities.root else 0o500 if directory else 0o400)
        return acl_value(mode, ids(), ids(), self.rng.randrange(8))

    def xattr_value(self):
        size = self.rng.choice((0, 1, 3, 20, 200, 1500))
        return self.rng.randbytes(size)

    def set_owner(self, place):
        if self.abilities.root and self.seldom(2):
            os.chown(place.name, self.owner(), self.owner(), dir_fd=place.directory, follow_symlinks=False)

    def set_xattr(self, place, name, value):
        try:
            os.setxattr(place.through_proc(), name, value, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.E2BIG):  # ext4 keeps 4 KiB of them
                raise

    def set_xattrs(self, place, kind):
        if kind in ("file", "directory") and self.abilities.xattrs:
            for _ in range(self.rng.randrange(1, 4)):
                name = b"user." + self.rng.choice((b"a", b"rdpipe.test", b"with space", b"\xff\xfe", b"x" * 250))
                self.set_xattr(place, name, self.xattr_value())
        if self.abilities.trusted and self.seldom(3):
            self.set_xattr(place, b"trusted.rdpipe", self.xattr_value())
        if kind == "file" and self.abilities.capabilities and self.seldom(3):
            self.set_xattr(place, b"security.capability", CAPABILITY)

    def set_acls(self, place, kind):
        if self.seldom(2):
            self.set_xattr(place, ACCESS, self.acl(kind == "directory"))
        if kind == "directory" and self.seldom(2):
            self.set_xattr(place, DEFAULT, self.acl(True))

    def set_time(self, place):
        time = self.time_ns()
        os.utime(place.name, ns=(time, time), dir_fd=place.directory, follow_symlinks=False)

    def set_all(self, place, kind):
        """Random ones of everything, in an order in which none undoes another."""
        self.set_owner(place)
        if kind != "symlink":  # attributes are for those who may write
            os.chmod(place.name, 0o700, dir_fd=place.directory)
        if self.seldom(3):
            self.set_xattrs(place, kind)
        if kind != "symlink":
            modes = DIRECTORY_MODES if kind == "directory" else FILE_MODES
            os.chmod(place.name, self.mode(modes), dir_fd=place.directory)
        if kind != "symlink" and self.abilities.acls and self.seldom(4):
            self.set_acls(place, kind)
        self.set_time(place)
