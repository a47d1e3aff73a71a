"""Mount points and file system types, from Linux's `/proc/self/mountinfo`."""

from __future__ import annotations

import contextlib
import os
import re
import select
import threading
from collections.abc import Callable
from dataclasses import dataclass

MOUNTINFO = "/proc/self/mountinfo"

WITHOUT_EVENTS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "coda", "ncpfs", "9p", "virtiofs",
     "vboxsf", "glusterfs", "lustre", "davfs"}
)  # fmt: skip
"""File systems whose files others can change without the kernel here knowing of it.

So can those of FUSE, of which only the ones on local disks are safe to rely on.
"""

LOCAL_FUSE = frozenset({"fuseblk", "fuse.ntfs-3g", "fuse.exfat", "fuse.bindfs", "fuse.mergerfs"})


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo: the mount's own number, where it is, and of what type."""

    number: int
    path: bytes
    type: str


def read_mounts() -> list[Mount]:
    """Return all mounts, in the order in which they were made; none where there is no mountinfo."""
    try:
        with open(MOUNTINFO, "rb") as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    return [_parse(line) for line in lines]


def filesystem_type(path: bytes, mounts: list[Mount]) -> str:
    """Return the type of the file system that `path` lies on; empty if unknown."""
    above = [mount for mount in mounts if _contains(mount.path, path)]
    # Of several mounts on the same folder, the last one covers the others.
    return max(reversed(above), key=lambda mount: len(mount.path)).type if above else ""


def tells_events(filesystem: str) -> bool:
    """Return whether all changes on a file system of this type are told."""
    if filesystem.startswith("fuse"):
        return filesystem in LOCAL_FUSE
    return filesystem not in WITHOUT_EVENTS


class MountMonitor:
    """Calls `changed`, on a thread of its own, after every mount and unmount."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._stop_reader, self._stop_writer = os.pipe()
        self._thread = threading.Thread(target=self._run, name="mounts", daemon=True)

    def start(self) -> None:
        """Begin; does nothing where there is no mountinfo."""
        self._thread.start()

    def stop(self) -> None:
        """End; nothing is called after this returns."""
        os.write(self._stop_writer, b".")
        self._thread.join()
        os.close(self._stop_reader)
        os.close(self._stop_writer)

    def _run(self) -> None:
        with contextlib.suppress(FileNotFoundError), open(MOUNTINFO, "rb") as file:
            poll = select.poll()
            # The kernel tells of a change by these two flags, and says so once to each opener.
            poll.register(file, select.POLLERR | select.POLLPRI)
            poll.register(self._stop_reader, select.POLLIN)
            while self._stop_reader not in dict(poll.poll()):
                self._changed()


def _parse(line: bytes) -> Mount:
    fields = line.split(b" ")
    filesystem = fields[fields.index(b"-", 6) + 1]
    return Mount(int(fields[0]), _unescaped(fields[4]), filesystem.decode(errors="replace"))


def _unescaped(text: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), text)


def _contains(mount: bytes, path: bytes) -> bool:
    return mount in {b"/", path} or path.startswith(mount + b"/")
