"""Disk, catalog and index, compared file by file: the proof that the index equals the library."""

from __future__ import annotations

import collections
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from imgvecd.api import Diagnosis, Divergence, Path
from imgvecd.core.files.beneath import open_file
from imgvecd.core.files.formats import is_companion_name
from imgvecd.core.files.hashing import hash_file
from imgvecd.core.watch.identity import RootOfflineError, open_folder
from imgvecd.core.watch.listing import Lister
from imgvecd.errors import UnreadableImageError
from imgvecd.protocols import FileStore, ImageStore
from imgvecd.types import FileRow, Int64Array, RootRow, Stamp, join

_MOST_FINDINGS = 10_000  # a person reads some; a program asks again after the first are mended
_BATCH = 500  # files whose contents are looked up at once

_DIVERGING = ("not_in_catalog", "not_on_disk", "changed", "pending", "not_in_index", "unlisted")
# Known, and for a reason not as it might be: nothing that the daemon could mend.
_EXPLAINED = ("failed", "unreadable", "covered", "left_out")


@dataclass(slots=True)
class _Disk:
    """What lies below an online root: stamps by (folder, name), and what is not in it, and why."""

    files: dict[tuple[bytes, bytes], Stamp] = field(default_factory=dict)
    unreadable: list[bytes] = field(default_factory=list)
    left_out: list[tuple[bytes, str]] = field(default_factory=list)

    def leave_out(self, path: bytes, reason: str) -> None:
        """Note what does not belong to the library, as far as anybody will read it."""
        if len(self.left_out) < _MOST_FINDINGS:
            self.left_out.append((path, reason))


class Doctor:
    """Examines the library once; blocks, and reads only. Any thread.

    Args:
        listers: of the roots that are watched, by root id.
        indexed: ids that a search can find, ascending.
        opener: opens a file of the library by its path; see `FileOpener.open`.
    """

    def __init__(
        self,
        files: FileStore,
        image_store: ImageStore,
        listers: Mapping[int, Lister],
        indexed: Int64Array,
        fingerprint: str | None,
        opener: Callable[[bytes], int] = open_file,
    ) -> None:
        self._files = files
        self._image_store = image_store
        self._listers = listers
        self._indexed = indexed
        self._fingerprint = fingerprint
        self._opener = opener
        self._counts: collections.Counter[str] = collections.Counter()
        self._findings: list[Divergence] = []
        self._borne: set[int] = set()

    def examine(self) -> Diagnosis:
        """Return what was found.

        Raises:
            CatalogError: the catalog cannot be read.
        """
        for root in self._files.roots():
            self._examine_root(root)
        borne = np.fromiter(self._borne, np.int64, len(self._borne))
        stray = len(np.setdiff1d(self._indexed, borne))
        counts = {kind: self._counts[kind] for kind in ("on_disk", "in_catalog", "offline")}
        counts |= {kind: self._counts[kind] for kind in ("searchable", "companions")}
        counts |= {"stray_in_index": stray}
        counts |= {kind: self._counts[kind] for kind in (*_DIVERGING, *_EXPLAINED)}
        diverging = stray + sum(self._counts[kind] for kind in _DIVERGING)
        return Diagnosis(healthy=not diverging, counts=counts, findings=tuple(self._findings))

    def _examine_root(self, root: RootRow) -> None:
        disk = self._on_disk(root)
        away = [mount.dir for mount in self._files.mounts(root.id) if not mount.online]
        rows: list[FileRow] = []
        kept: set[bytes] = set()  # what cannot be looked at, and holds known files
        for row in self._files.iter_files(root.id, b"", recursive=True):
            self._counts["in_catalog"] += 1
            if row.content_id is not None:
                self._borne.add(row.content_id)
            if disk is None or _is_below(row.dir, away):
                self._counts["offline"] += 1
            elif covering := _above(row.relative, disk.unreadable):
                kept.update(covering)
                reason = "it cannot be looked at; what was known of it is kept"
                self._find("unreadable", root, row.relative, reason)
            elif self._agrees(root, row, disk.files.pop((row.dir, row.name), None)):
                if _is_companion(row):
                    self._counts["companions"] += 1
                else:
                    rows.append(row)
        if disk is not None:
            self._tell_of_the_rest(root, disk, away, kept)
        for start in range(0, len(rows), _BATCH):
            self._examine_contents(root, rows[start : start + _BATCH])

    def _tell_of_the_rest(
        self, root: RootRow, disk: _Disk, away: Sequence[bytes], kept: set[bytes]
    ) -> None:
        """Tell of what lies on disk and is not in the catalog, and why."""
        for directory, name in disk.files:
            if _is_below(directory, away):
                kind, reason = "covered", "the files of a file system that is not mounted go before"
            else:
                kind = "not_in_catalog"
                reason = "the daemon has not noticed it yet: run `imgvec sync`, or POST /v1/rescan"
            self._find(kind, root, join(directory, name), reason)
        for path in disk.unreadable:
            if path not in kept:
                reason = (
                    "it cannot be looked at, so nobody knows what it holds: see its permissions"
                )
                self._find("unlisted", root, path, reason)
        for path, reason in disk.left_out:
            self._find("left_out", root, path, reason)

    def _on_disk(self, root: RootRow) -> _Disk | None:
        """Return what belongs to an online root; None for one that is offline."""
        if not root.online or root.id not in self._listers:
            return None
        try:
            descriptor = open_folder(root.path)
        except RootOfflineError:
            return None
        disk = _Disk()
        try:
            walk = self._listers[root.id].walk(
                descriptor, unreadable=disk.unreadable.append, left_out=disk.leave_out
            )
            disk.files = {(directory, file.name): file.stamp for directory, file in walk}
        finally:
            os.close(descriptor)
        self._counts["on_disk"] += len(disk.files)
        return disk

    def _agrees(self, root: RootRow, row: FileRow, stamp: Stamp | None) -> bool:
        if stamp is None:
            self._find(
                "not_on_disk", root, row.relative, "it is gone, and the daemon has not noticed yet"
            )
        elif row.stamp != stamp and not self._holds_the_same(root, row, stamp):
            self._find("changed", root, row.relative, "it has changed since it was last looked at")
        elif row.failure is not None:
            self._find("failed", root, row.relative, row.failure)
        elif row.pending or (row.content_id is None and not _is_companion(row)):
            self._find("pending", root, row.relative, "it waits to be read")
        else:
            return True
        return False

    def _holds_the_same(self, root: RootRow, row: FileRow, stamp: Stamp) -> bool:
        """Return whether only the change time is another one, and the bytes are the known ones.

        Of a hard link that is made elsewhere, as backups do for whole libraries, no event tells.
        """
        if row.content_id is None or not row.stamp.same_bytes(stamp):
            return False
        known = self._image_store.images([row.content_id], self._fingerprint).get(row.content_id)
        try:
            path = os.path.join(root.path, row.relative)
            digest = hash_file(path, stamp, opener=self._opener)
        except (OSError, UnreadableImageError):
            return False
        return known is not None and known.hash == digest.hex()

    def _examine_contents(self, root: RootRow, rows: Sequence[FileRow]) -> None:
        ids = list(_contents(rows))
        images = self._image_store.images(ids, self._fingerprint)
        present = dict(zip(ids, np.isin(ids, self._indexed), strict=True))
        for row, content_id in zip(rows, ids, strict=True):
            image = images.get(content_id)
            if image is not None and image.failure is not None:
                self._find("failed", root, row.relative, image.failure)
            elif present[content_id]:
                self._counts["searchable"] += 1
            elif image is not None and not image.indexed:
                self._find("pending", root, row.relative, "it waits to be encoded")
            else:
                self._find("not_in_index", root, row.relative, "the index has lost it: rebuild it")

    def _find(self, kind: str, root: RootRow, relative: bytes, reason: str) -> None:
        self._counts[kind] += 1
        if len(self._findings) < _MOST_FINDINGS:
            path = Path.of(os.path.join(root.path, relative))
            self._findings.append(
                Divergence(kind=kind, path=path.path, path_base64=path.path_base64, reason=reason)
            )


def _contents(rows: Sequence[FileRow]) -> Iterator[int]:
    return (row.content_id for row in rows if row.content_id is not None)


def _is_companion(row: FileRow) -> bool:
    return is_companion_name(os.fsdecode(row.name))


def _is_below(directory: bytes, folders: Iterable[bytes]) -> bool:
    return bool(_above(directory, folders))


def _above(directory: bytes, folders: Iterable[bytes]) -> list[bytes]:
    """Return those folders that a path is, or lies below."""
    return [
        folder
        for folder in folders
        if directory == folder or not folder or directory.startswith(folder + b"/")
    ]
