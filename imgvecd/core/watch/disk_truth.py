"""What should be in the catalog, asked of the disk alone: for `imgvecd doctor` and for tests."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence

from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.watch.identity import open_folder
from imgvecd.core.watch.inclusion_rules import NO_MEDIA, Rules
from imgvecd.core.watch.listing import Lister
from imgvecd.types import FoundFile, join


def make_lister(
    root: RootConfig, roots: Iterable[RootConfig], exclude: Sequence[str], watch: WatchConfig
) -> Lister:
    """Return what lists `root`, one of `roots`, under these settings."""
    path = os.fsencode(root.path)
    inner = (below(os.fsencode(other.path), path) for other in roots)
    return Lister(path, Rules(root, exclude, watch, [nested for nested in inner if nested]))


def expected_files(lister: Lister) -> Iterator[tuple[bytes, FoundFile]]:
    """Yield (folder, file) for every image file that belongs to a root.

    Raises:
        RootOfflineError: the root's folder is not there.
    """
    descriptor = open_folder(lister.path)
    try:
        yield from lister.walk(descriptor)
    finally:
        os.close(descriptor)


def why_left_out(lister: Lister, directory: bytes, name: bytes) -> str | None:
    """Return why a file that lies under a root does not belong to it; None if it does."""
    rules = lister.rules
    if reason := rules.path(directory) or rules.file(directory, name):
        return reason
    parts = directory.split(b"/") if directory else []
    for depth in range(len(parts) + 1):
        if os.path.exists(os.path.join(lister.path, *parts[:depth], NO_MEDIA)):
            return f"{os.fsdecode(NO_MEDIA)} in its folder or one above"
    with contextlib.suppress(OSError):
        path = os.path.join(lister.path, join(directory, name))
        return rules.size(name, os.stat(path).st_size)
    return None


def below(path: bytes, folder: bytes) -> bytes | None:
    """Return `path` relative to `folder`, None if it is not below it."""
    prefix = folder.rstrip(b"/") + b"/"
    return path[len(prefix) :] if path.startswith(prefix) else None
