"""What a checked-out tree looks like, cheaply: the proof that nobody wrote to it.

One pass of `lstat` over the tree gives two digests. `strict` holds every file's inode and change time as
well: no program without root's powers over the clock can alter a file and keep those, so an equal `strict`
proves equal bytes without reading them. `shape` holds names, kinds, modes and sizes only, and survives a
`touch`. Folders' own times are in neither: a file made and deleted again leaves the tree as it was.
"""

from __future__ import annotations

import os
import stat
from hashlib import blake2b
from pathlib import Path

from msgspec import Struct

#: disk is counted in blocks of this size: file systems that compress or allocate late say less, for a while
BLOCK = 4096


class Manifest(Struct, frozen=True):
    """The two digests of a tree, how many entries it has and how many bytes of disk they take.

    `newest_ns`: the latest change time in it, nanoseconds since the epoch.
    """

    strict: str
    shape: str
    entries: int
    disk_bytes: int
    newest_ns: int


def scan(tree: Path, limit: int) -> Manifest:
    """Look at everything below `tree`, following no symbolic link, and stop after `limit` entries.

    Raises:
        OSError: a folder can't be read.
    """
    strict, shape = blake2b(digest_size=16), blake2b(digest_size=16)
    entries = disk_bytes = newest = 0
    folders = [os.fsencode(tree)]
    root = len(folders[0]) + 1
    while folders and entries < limit:
        with os.scandir(folders.pop()) as iterator:
            found = sorted(iterator, key=lambda entry: entry.name)
        for entry in found:
            status = entry.stat(follow_symlinks=False)
            name = entry.path[root:]
            entries += 1
            disk_bytes += -(-status.st_size // BLOCK) * BLOCK
            if stat.S_ISDIR(status.st_mode):
                folders.append(entry.path)
                record = b"%d:%s\0%o" % (len(name), name, status.st_mode)
                shape.update(record)
                strict.update(record)
                continue
            record = b"%d:%s\0%o,%d" % (len(name), name, status.st_mode, status.st_size)
            shape.update(record)
            strict.update(record)
            strict.update(b",%d,%d,%d" % (status.st_ino, status.st_mtime_ns, status.st_ctime_ns))
            newest = max(newest, status.st_ctime_ns)
    return Manifest(strict.hexdigest(), shape.hexdigest(), entries, disk_bytes, newest)
