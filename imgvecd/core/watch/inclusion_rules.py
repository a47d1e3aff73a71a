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
from imgvecd.core.watch.foreign_folders import why_no_file, why_no_folder
from imgvecd.globs import EntryGlob

OWN = "imgvecd's own files, or the desktop's trash and thumbnails"


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
        own: relative paths of imgvecd's own folders, and of the desktop's trash and thumbnails.
    """

    def __init__(
        self,
        root: RootConfig,
        common: Iterable[str],
        watch: WatchConfig,
        nested: Collection[bytes] = (),
        own: Collection[bytes] = (),
    ) -> None:
        self.settings = (root, tuple(common), watch, frozenset(nested), frozenset(own))
        self._own = frozenset(own)
        self._name = os.path.basename(os.fsencode(root.path))
        self._nested = frozenset(nested)
        self._globs = [(glob, EntryGlob(glob)) for glob in (*self.settings[1], *root.exclude)]
        self._watch = watch
        self.links = links_followed(root)
        self.polled = root.watch == "poll"

    def folder(self, directory: bytes) -> str | None:
        """Return why the folder with this relative path is left out by its own name, or None."""
        above, _, name = directory.rpartition(b"/")
        if reason := why_no_folder(above.rpartition(b"/")[2] or self._name, name):
            return reason
        if directory in self._own:
            return OWN
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
        if reason := why_no_file(name):
            return reason
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
        if name.startswith(b".") and not self._watch.hidden:
            return "hidden"
        for glob, compiled in self._globs:
            if compiled.matches(directory, name, folder=folder):
                return f"excluded by {glob!r}"
        return None
