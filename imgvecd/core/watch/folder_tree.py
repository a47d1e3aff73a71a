"""The folders of one root as they were last seen, and which of them are heard of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from imgvecd.types import Coverage, join

Identity = tuple[int, int]
"""(device, inode) of a folder."""


@dataclass(slots=True)
class Folder:
    """A folder that was listed.

    Attributes:
        children: last components of the folders in it that belong to the library.
        left_out: a marker file in it says that nothing in it or below it belongs to the library.
    """

    identity: Identity
    coverage: Coverage = Coverage.UNAVAILABLE
    children: set[bytes] = field(default_factory=set)
    left_out: bool = False


class Tree:
    """Folders by relative path. One thread at a time, but for the counts."""

    def __init__(self) -> None:
        self._folders: dict[bytes, Folder] = {}
        self._counts: Counter[Coverage] = Counter()

    def __len__(self) -> int:
        """Return the number of folders. Any thread may ask."""
        return len(self._folders)

    def __contains__(self, directory: bytes) -> bool:
        return directory in self._folders

    def get(self, directory: bytes) -> Folder | None:
        """Return what is known of a folder."""
        return self._folders.get(directory)

    def put(self, directory: bytes, identity: Identity) -> Folder:
        """Return the folder at this path, a fresh one if none or another was there."""
        folder = self._folders.get(directory)
        if folder is None or folder.identity != identity:
            if folder is not None:
                self._counts[folder.coverage] -= 1
            folder = Folder(identity, children=folder.children if folder else set())
            self._folders[directory] = folder
            self._counts[folder.coverage] += 1
        if directory:
            parent, _, name = directory.rpartition(b"/")
            self._folders[parent].children.add(name)
        return folder

    def cover(self, directory: bytes, coverage: Coverage) -> None:
        """Note whether a known folder's changes are heard of."""
        folder = self._folders[directory]
        self._counts[folder.coverage] -= 1
        self._counts[coverage] += 1
        folder.coverage = coverage

    def remove(self, directory: bytes) -> list[bytes]:
        """Drop a folder and all below it; return their paths."""
        removed = list(self.walk(directory))
        for path in removed:
            self._counts[self._folders.pop(path).coverage] -= 1
        parent, _, name = directory.rpartition(b"/")
        if directory and parent in self._folders:
            self._folders[parent].children.discard(name)
        return removed

    def walk(self, directory: bytes) -> Iterator[bytes]:
        """Yield the paths of a folder and of all below it."""
        if directory not in self._folders:
            return
        stack = [directory]
        while stack:
            path = stack.pop()
            yield path
            stack.extend(
                child
                for name in self._folders[path].children
                if (child := join(path, name)) in self._folders
            )

    def lineage(self, directory: bytes) -> Iterator[Folder]:
        """Yield the known folders from the root down to `directory`."""
        parts = directory.split(b"/") if directory else []
        for depth in range(len(parts) + 1):
            if folder := self._folders.get(b"/".join(parts[:depth])):
                yield folder

    def unwatched(self) -> list[bytes]:
        """Return the folders whose changes nobody tells of."""
        return [
            path for path, folder in self._folders.items() if folder.coverage is not Coverage.EVENTS
        ]

    def count(self, coverage: Coverage) -> int:
        """Return the number of folders with this coverage. Any thread may ask."""
        return self._counts[coverage]
