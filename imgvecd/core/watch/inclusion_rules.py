"""What belongs to a root and what is left out, by name and size; with the reason for each.

Globs are relative to the root. One without a slash fits an entry of that name at any depth; one
with a slash fits the path from the root, where `**` spans folders and `*` does not. A folder that
is left out takes everything below it along.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.files.beneath import Links
from imgvecd.core.files.formats import is_image_name, is_watched_name
from imgvecd.globs import EntryGlob

NO_MEDIA = b".nomedia"
"""A folder that holds a file of this name is left out, as on Android."""

SYSTEM_FOLDERS = frozenset(
    {
        b"@eadir", b"@recycle", b"#recycle", b"#snapshot",  # Synology, QNAP
        b"$recycle.bin", b"system volume information",  # Windows
        b"lost+found", b"__macosx",
    }
)  # fmt: skip
"""Folders of systems and other programs (thumbnails, trash, snapshots); in lower case."""

HIDDEN_SYSTEM_FOLDERS = (
    b".trash", b".thumbnails", b".stversions", b".stfolder", b".dtrash", b".picasaoriginals",
)  # fmt: skip
"""Beginnings of hidden folders' names that stay out even if hidden folders are asked for."""


def links_followed(root: RootConfig) -> Links:
    """Return which symbolic links below a root are followed."""
    if root.follow_symlinks_outside:
        return Links.ANYWHERE
    return Links.INSIDE if root.follow_symlinks else Links.NONE


class Rules:
    """The excludes of one root.

    Attributes:
        links: which symbolic links are followed.
        polled: no events are asked for.
        settings: all that decides what belongs to the root and how it is watched.

    Args:
        common: globs for all roots.
        nested: relative paths of other roots inside this one; their files are theirs alone.
    """

    def __init__(
        self,
        root: RootConfig,
        common: Iterable[str],
        watch: WatchConfig,
        nested: Collection[bytes] = (),
    ) -> None:
        self.settings = (root, tuple(common), watch, frozenset(nested))
        self._nested = frozenset(nested)
        self._globs = [(glob, EntryGlob(glob)) for glob in (*self.settings[1], *root.exclude)]
        self._watch = watch
        self.links = links_followed(root)
        self.polled = root.watch == "poll"

    def folder(self, directory: bytes) -> str | None:
        """Return why the folder with this relative path is left out by its own name, or None."""
        above, _, name = directory.rpartition(b"/")
        lowered = name.lower()
        if lowered in SYSTEM_FOLDERS or lowered.startswith(HIDDEN_SYSTEM_FOLDERS):
            return "a system or trash folder"
        if directory in self._nested:
            return "a root of its own"
        return self._named(above, name, folder=True)

    def path(self, directory: bytes) -> str | None:
        """Return why the folder or one above it is left out, or None."""
        parts = directory.split(b"/") if directory else []
        for depth in range(1, len(parts) + 1):
            if reason := self.folder(b"/".join(parts[:depth])):
                return reason
        return None

    def file(self, directory: bytes, name: bytes) -> str | None:
        """Return why the file in `directory` is left out by its name, or None."""
        if not is_watched_name(os.fsdecode(name)):
            return "not an image by its extension"
        return self._named(directory, name, folder=False)

    def size(self, name: bytes, size_bytes: int) -> str | None:
        """Return why a file of this size is left out, or None; companions may be small."""
        least = self._watch.min_size_bytes
        if size_bytes < least and is_image_name(os.fsdecode(name)):
            return f"smaller than min_size_bytes ({self._watch.min_size_bytes})"
        if size_bytes > self._watch.max_size_bytes:
            return f"larger than max_size_bytes ({self._watch.max_size_bytes})"
        return None

    def _named(self, directory: bytes, name: bytes, *, folder: bool) -> str | None:
        if name.startswith(b"._"):
            return "a resource fork (._*)"
        if name.startswith(b".") and not self._watch.hidden:
            return "hidden"
        for glob, compiled in self._globs:
            if compiled.matches(directory, name, folder=folder):
                return f"excluded by {glob!r}"
        return None
