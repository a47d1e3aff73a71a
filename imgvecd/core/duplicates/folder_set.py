"""Folders told apart by what they are, not by what they are called."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from imgvecd.core.watch.foreign_folders import is_of_trash
from imgvecd.errors import BadRequestError
from imgvecd.spelling import folded_name

_DESKTOPS = b"trash"  # of which a folder "files" holds what went
_NOTE = b".trashinfo"


class FolderSet:
    """Folders, known by device and inode, which links and bind mounts share, and by name.

    Args:
        folders: absolute paths, the most important first.
    """

    def __init__(self, folders: Sequence[bytes]) -> None:
        self._folders = folders
        self._tops = [folder.rstrip(b"/") + b"/" for folder in folders]
        self._places: dict[tuple[int, int], int] = {}
        for place, folder in enumerate(folders):
            if os.path.isdir(folder):
                self._places.setdefault(_identity(folder), place)
        self._known: dict[bytes, int | None] = {}

    def place_of(self, path: bytes) -> int | None:
        """Return which of the folders the file lies in, the first that fits; None: in none."""
        directory = os.path.dirname(path)
        if directory not in self._known:
            places = {place for place, top in enumerate(self._tops) if path.startswith(top)}
            if self._places:
                places |= {
                    self._places.get(each, len(self._tops)) for each in _identities(directory)
                }
            first = min(places, default=len(self._tops))
            self._known[directory] = first if first < len(self._tops) else None
        return self._known[directory]

    def namesakes(self, names: Collection[bytes]) -> dict[bytes, list[bytes]]:
        """Return the files in the folders that bear one of these names, at any depth.

        Some mounts and shares show names in another case, or with accents composed otherwise.
        """
        called: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for name in names:
            called[folded_name(name)].append(name)
        found: dict[bytes, list[bytes]] = {}
        for top in self._folders if names else ():
            for directory, _, files in os.walk(top):
                for file in files:
                    for name in called.get(folded_name(file), ()):
                        found.setdefault(name, []).append(os.path.join(directory, file))
        return found


def require_folders(folders: Iterable[str], what: str) -> None:
    """Check that each of the paths is a folder.

    Args:
        what: where they come from, in messages.

    Raises:
        BadRequestError: names the first that is none.
    """
    for folder in folders:
        if "\0" in folder or not os.path.isdir(folder):
            raise BadRequestError(f"{what}: {folder} is not a folder; correct it or leave it out")


def above(path: bytes) -> Iterator[bytes]:
    """Yield every folder above an absolute path, by its names and by those without links."""
    for start in dict.fromkeys((os.path.dirname(path), os.path.realpath(os.path.dirname(path)))):
        folder = start
        while True:
            yield folder
            if folder == os.path.dirname(folder):
                break
            folder = os.path.dirname(folder)


def is_in_trash(path: bytes) -> bool:
    """Return whether the file lies in a trash, of a desktop or of a NAS, also by way of a link."""
    resolved = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    return any(_leads_through_trash(full.split(b"/")) for full in {path, resolved})


def _leads_through_trash(parts: Sequence[bytes]) -> bool:
    if any(map(is_of_trash, parts)):
        return True
    for place, name in enumerate(parts[:-1]):
        if name == b"files":  # a desktop's: each of its files has a note beside the folder
            if parts[place - 1].lower() == _DESKTOPS:
                return True
            note = b"/".join((*parts[:place], b"info", parts[place + 1] + _NOTE))
            if os.path.lexists(note):
                return True
    return False


def _identity(folder: bytes) -> tuple[int, int]:
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _identities(directory: bytes) -> Iterator[tuple[int, int]]:
    for folder in above(os.path.join(directory, b".")):
        try:
            yield _identity(folder)
        except OSError:  # offline: nothing there can be moved, either
            continue
