"""Looking at folders on disk: what belongs to the library, by listing and stat alone."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from imgvecd.core.files.beneath import (
    READ_FOLDER,
    Links,
    open_beneath,
    open_file_beneath,
    stat_beneath,
)
from imgvecd.core.files.formats import is_watched_name
from imgvecd.core.files.hashing import hash_file
from imgvecd.core.watch.disk_calls import DiskCalls
from imgvecd.core.watch.folder_tree import Identity
from imgvecd.core.watch.foreign_folders import is_marker
from imgvecd.core.watch.inclusion_rules import Rules
from imgvecd.types import FoundFile, Stamp, join

Result = TypeVar("Result")


@dataclass(slots=True)
class Listing:
    """What one look at a folder found.

    Attributes:
        names: what was looked for; None for everything.
        identity: of the folder itself.
        files: images and their companions that belong to the library.
        folders: folders that belong to the library.
        unknown: names that could not be examined; nothing follows from their absence.
        omitted: names that do not belong to the library, though they look like it, with the reason.
        linked: inodes of those that have other names, too, and of files of any name that have.
        left_out: the folder a marker file in it says so.
    """

    directory: bytes
    names: frozenset[bytes] | None
    identity: Identity
    files: dict[bytes, os.stat_result] = field(default_factory=dict)
    folders: dict[bytes, Identity] = field(default_factory=dict)
    unknown: set[bytes] = field(default_factory=set)
    omitted: dict[bytes, str] = field(default_factory=dict)
    linked: set[int] = field(default_factory=set)
    left_out: bool = False


class Lister:
    """Lists folders of one root by their relative paths.

    Every method takes a descriptor of the root's folder and goes from there, so that an unmount in
    the middle cannot pass an empty mount point for the library. Thread-safe.
    """

    def __init__(self, path: bytes, rules: Rules) -> None:
        self.path = path
        self.rules = rules

    def list_all(self, root: int, directory: bytes) -> Listing:
        """Return everything in a folder.

        Raises:
            OSError: it is not there (`is_gone`), or cannot be read.
        """
        with self._opened(root, directory) as folder:
            listing = Listing(directory, None, identity_of(os.fstat(folder)))
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._examine(root, listing, entry)
        if listing.left_out:
            listing.files.clear()
            listing.folders.clear()
            listing.unknown.clear()
            listing.omitted.clear()
        return listing

    def list_names(self, root: int, directory: bytes, names: Collection[bytes]) -> Listing:
        """Return what bears one of `names` in a folder; errors as for `list_all`."""
        with self._opened(root, directory) as folder:
            listing = Listing(directory, frozenset(names), identity_of(os.fstat(folder)))
            for name in names:
                try:
                    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    self._take(root, listing, name, status)
                except OSError as error:
                    _note(listing, name, error)
        return listing

    def stat(self, root: int, relative: bytes) -> os.stat_result:
        """Return the state of a file of the library; errors as for `list_all`."""
        return stat_beneath(root, relative, self.rules.links)

    def hash(self, root: int, relative: bytes, stamp: Stamp) -> bytes:
        """Return the hash of a file of the library; errors as for `hash_file`."""
        opener = partial(open_file_beneath, root, links=self.rules.links)
        return hash_file(relative, stamp, opener=opener)

    def walk(
        self,
        root: int,
        start: bytes = b"",
        *,
        most_folders: int | None = None,
        unreadable: Callable[[bytes], object] = lambda _: None,
        left_out: Callable[[bytes, str], object] = lambda *_: None,
    ) -> Iterator[tuple[bytes, FoundFile]]:
        """Yield (folder, file) for every file that belongs to the library.

        Args:
            start: the folder to begin at.
            most_folders: stop after so many folders.
            unreadable: called with the paths that cannot be read, which are passed over.
            left_out: called with (path, reason) of what does not belong to the library.
        """
        stack: list[tuple[bytes, tuple[Identity, ...]]] = [(start, ())]
        for _ in itertools.count() if most_folders is None else range(most_folders):
            if not stack:
                return
            directory, above = stack.pop()
            try:
                listing = self.list_all(root, directory)
            except OSError as error:
                if not is_gone(error) or self.leads_away(root, directory):
                    unreadable(directory)
                continue
            for name in listing.unknown:
                unreadable(join(directory, name))
            if listing.left_out:
                left_out(directory, "a file in it says so (.nomedia, .noimage, CACHEDIR.TAG, …)")
            for name, reason in listing.omitted.items():
                left_out(join(directory, name), reason)
            here = (*above, listing.identity)
            stack.extend(
                (join(directory, name), here)
                for name, identity in listing.folders.items()
                if identity not in here
            )
            for name, status in listing.files.items():
                yield directory, FoundFile(name, Stamp.of(status))

    def leads_away(self, root: int, directory: bytes) -> bool:
        """Return whether a link to something that is not there, outside the root, leads here."""
        if self.rules.links is not Links.ANYWHERE:
            return False
        parts = directory.split(b"/")
        paths = (b"/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
        return any(self._is_away(root, path) for path in paths)

    def _is_away(self, root: int, path: bytes) -> bool:
        try:
            if stat.S_ISLNK(os.lstat(path, dir_fd=root).st_mode):
                self._target(root, path)
        except OSError as error:
            return error.errno == errno.ENODEV
        return False

    @contextlib.contextmanager
    def _opened(self, root: int, directory: bytes) -> Iterator[int]:
        descriptor = open_beneath(root, directory, READ_FOLDER, self.rules.links)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _examine(self, root: int, listing: Listing, entry: os.DirEntry[str]) -> None:
        # In a photo library most entries are images: their stat is the only system call made here.
        name, is_watched = os.fsencode(entry.name), is_watched_name(entry.name)
        if not is_watched and is_marker(listing.directory, name):
            listing.left_out = True
        elif is_watched or not entry.is_file(follow_symlinks=False):
            try:
                self._take(root, listing, name, entry.stat(follow_symlinks=False))
            except OSError as error:
                _note(listing, name, error)

    def _take(self, root: int, listing: Listing, name: bytes, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode) and self.rules.links is not Links.NONE:
            status = self._target(root, join(listing.directory, name))
        rules, mode = self.rules, status.st_mode
        if stat.S_ISDIR(mode):
            if reason := rules.folder(join(listing.directory, name)):
                listing.omitted[name] = reason
            else:
                listing.folders[name] = identity_of(status)
        elif not stat.S_ISLNK(mode) and is_watched_name(os.fsdecode(name)):
            reason = rules.file(listing.directory, name) or rules.size(name, status.st_size)
            if reason:
                listing.omitted[name] = reason
                if status.st_nlink > 1:
                    listing.linked.add(status.st_ino)
            else:  # a pipe or a socket too: reading it fails, and the failure tells of it
                listing.files[name] = status
        elif stat.S_ISREG(mode) and status.st_nlink > 1:
            listing.linked.add(status.st_ino)

    def _target(self, root: int, relative: bytes) -> os.stat_result:
        """Return the state of what a link leads to.

        Raises:
            OSError: it cannot be reached, or is not to be (`is_gone`); with ENODEV, it lies outside
                the root, and its disk may be away.
        """
        try:
            return stat_beneath(root, relative, self.rules.links)
        except OSError as error:
            if self.rules.links is Links.ANYWHERE and not self._leads_inside(relative):
                raise OSError(errno.ENODEV, "what it leads to is away") from error
            raise

    def _leads_inside(self, relative: bytes) -> bool:
        target = os.path.realpath(os.path.join(self.path, relative))
        return target.startswith(os.path.join(os.path.realpath(self.path), b""))


class PatientLister(Lister):
    """A lister that gives up on a drive that does not answer: OSError with ETIMEDOUT."""

    def __init__(self, path: bytes, rules: Rules, calls: DiskCalls) -> None:
        super().__init__(path, rules)
        self._calls = calls

    def list_all(self, root: int, directory: bytes) -> Listing:
        """See `Lister.list_all`."""
        return self._asked(directory, partial(super().list_all, root, directory))

    def list_names(self, root: int, directory: bytes, names: Collection[bytes]) -> Listing:
        """See `Lister.list_names`."""
        return self._asked(directory, partial(super().list_names, root, directory, names))

    def stat(self, root: int, relative: bytes) -> os.stat_result:
        """See `Lister.stat`."""
        return self._asked(relative.rpartition(b"/")[0], partial(super().stat, root, relative))

    def hash(self, root: int, relative: bytes, stamp: Stamp) -> bytes:
        """See `Lister.hash`."""
        folder = relative.rpartition(b"/")[0]
        return self._asked(folder, partial(super().hash, root, relative, stamp))

    def leads_away(self, root: int, directory: bytes) -> bool:
        """See `Lister.leads_away`."""
        if self.rules.links is not Links.ANYWHERE:
            return False
        return self._asked(directory, partial(super().leads_away, root, directory))

    def _asked(self, directory: bytes, work: Callable[[], Result]) -> Result:
        return self._calls.call(self.path, os.path.join(self.path, directory), work)


def identity_of(status: os.stat_result) -> Identity:
    """Return (device, inode)."""
    return status.st_dev, status.st_ino


def is_gone(error: OSError) -> bool:
    """Return whether the error says that nothing of that kind bears the name (any more)."""
    return error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


def _note(listing: Listing, name: bytes, error: OSError) -> None:
    if not is_gone(error):
        listing.unknown.add(name)
