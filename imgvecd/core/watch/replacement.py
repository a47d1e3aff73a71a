"""Whether another folder may take the place of a root, or of a mount below one.

What is known and does not lie in it would be removed from the library, so it has to be proved that
it is the same one: by the file system, where that tells disks apart and the folder cannot have
been unmounted; else by the files. Any other folder, and any without images, leaves the root offline
with everything kept, until the user asks for just that root to be scanned.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgvecd.core.watch.identity import FolderIdentity, RootOfflineError
from imgvecd.core.watch.listing import Lister
from imgvecd.errors import UnreadableImageError
from imgvecd.types import FileRow, MountRow, RootRow, Stamp

SAMPLE = 100
"""Known files that are looked for when the folder may be another one."""

SAMPLE_FOLDERS = 1000
"""Folders that are searched for an image then; more would make every look at it slow."""

SAME_TIME_NS = 2_000_000_000
"""FAT, onto which files may have been copied and back, counts time in steps of 2 s."""

MOST_READ = 8
"""Files of another time that are read. If each one is as it was, so are those of their sizes."""

READ_BYTES = 64 << 20
"""Files are read up to so many bytes together: a slow disk takes two seconds."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A folder that may be taken for a root, or for what is mounted on a folder of one.

    Attributes:
        root: descriptor of the root's folder.
        identity: of the folder in question.
        is_mount: whether something is mounted on just this folder.
        names_a_slot: see `identity`.
        unmounted: what the known files lay on, if it is mounted no more.
    """

    root: int
    identity: FolderIdentity
    is_mount: bool
    names_a_slot: bool
    unmounted: bytes | None = None


class KnownFiles:
    """A sample of the files that are known below a folder, for as long as that is in doubt.

    Args:
        draw: returns files at random, each with its hash, None if it was not read.
    """

    def __init__(self, draw: Callable[[], Sequence[tuple[FileRow, bytes | None]]]) -> None:
        self._draw = draw
        self._sample: Sequence[tuple[FileRow, bytes | None]] | None = None
        self._digests: dict[bytes, tuple[Stamp, bytes]] = {}

    def forget(self) -> None:
        """Draw anew when next asked: the folder is no longer in doubt."""
        self._sample = None
        self._digests.clear()

    def __len__(self) -> int:
        return len(self._files())

    def count_same(self, root: int, lister: Lister) -> int:
        """Return how many of them lie below a root as they are known: by size, and time or bytes.

        Args:
            root: descriptor of the root's folder.
        """
        same = 0
        alike: list[tuple[FileRow, bytes, Stamp]] = []
        for row, digest in self._files():
            stamp = _stamp(root, row, lister)
            if stamp is None or stamp.size_bytes != row.stamp.size_bytes:
                continue
            if abs(stamp.mtime_ns - row.stamp.mtime_ns) <= SAME_TIME_NS:
                same += 1
            elif digest is not None:
                alike.append((row, digest, stamp))
        return same + self._count_same_bytes(root, alike, lister)

    def _files(self) -> Sequence[tuple[FileRow, bytes | None]]:
        if self._sample is None:
            self._sample = self._draw()
        return self._sample

    def _count_same_bytes(
        self, root: int, alike: list[tuple[FileRow, bytes, Stamp]], lister: Lister
    ) -> int:
        alike.sort(key=lambda known: known[2].size_bytes)
        left_bytes, read, same = READ_BYTES, 0, 0
        for row, digest, stamp in alike[:MOST_READ]:
            left_bytes -= stamp.size_bytes
            if left_bytes < 0:
                break
            read += 1
            same += self._digest(root, row, stamp, lister) == digest
        return len(alike) if read and same == read else same

    def _digest(self, root: int, row: FileRow, stamp: Stamp, lister: Lister) -> bytes | None:
        """Return the hash of a file, which is read once: an offline root is looked at often."""
        seen = self._digests.get(row.relative)
        if seen is None or seen[0] != stamp:
            try:
                seen = stamp, lister.hash(root, row.relative, stamp)
            except (OSError, UnreadableImageError):
                return None
            self._digests[row.relative] = seen
        return seen[1]


def check_replacement(
    candidate: Candidate, row: RootRow | MountRow, known: KnownFiles, lister: Lister
) -> None:
    """Return if a folder may take the place of a root, or of a mount, though it is in doubt.

    Raises:
        RootOfflineError: it may not.
    """
    start = row.dir if isinstance(row, MountRow) else b""
    holds_images = any(lister.walk(candidate.root, start, most_folders=SAMPLE_FOLDERS))
    fault = _fault(candidate, row)
    if fault is None and holds_images:
        return
    if known.count_same(candidate.root, lister) >= _proof(candidate, fault, len(known)):
        return
    if not holds_images or fault is None:
        raise RootOfflineError("the folder holds no images, where known files were")
    raise RootOfflineError(fault)


def _proof(candidate: Candidate, fault: str | None, sample: int) -> int:
    """Return how many files of a sample prove that they are all there, or gone for good."""
    if fault is None:
        return min(1, sample)  # it is the place, and what is left of them is left out
    return sample if candidate.unmounted is not None else sample // 2 + min(1, sample)


def _fault(candidate: Candidate, row: RootRow | MountRow) -> str | None:
    """Return why the file system does not prove that the folder is the one of the row."""
    if candidate.unmounted is not None:
        place = os.fsdecode(candidate.unmounted)
        return f"nothing is mounted at {place} any more, and the folder holds other files"
    if not candidate.identity.same_filesystem(row):
        return "a folder of another file system lies where known files were"
    if candidate.names_a_slot:
        return "most known files are missing, and its file system does not tell disks apart"
    if candidate.is_mount and candidate.identity.inode != row.inode:
        # it cannot have been deleted and made again, as a plain folder can
        return "another folder of its file system is mounted there"
    return None


def _stamp(root: int, row: FileRow, lister: Lister) -> Stamp | None:
    try:
        status = lister.stat(root, row.relative)
    except OSError:
        return None
    return Stamp.of(status) if stat.S_ISREG(status.st_mode) else None
