"""What should be in the catalog, asked of the disk alone: for `imgvecd doctor` and for tests."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence

from imgvecd.config.schema import RootConfig, WatchConfig
from imgvecd.core.watch.disk_calls import DiskCalls
from imgvecd.core.watch.foreign_folders import MARKERS, is_marker
from imgvecd.core.watch.identity import open_folder
from imgvecd.core.watch.inclusion_rules import Rules
from imgvecd.core.watch.listing import Lister, PatientLister
from imgvecd.types import FoundFile, join


def make_lister(
    root: RootConfig,
    roots: Iterable[RootConfig],
    exclude: Sequence[str],
    watch: WatchConfig,
    own: Iterable[str] = (),
    calls: DiskCalls | None = None,
) -> Lister:
    """Return what lists `root`, one of `roots`, under these settings.

    Args:
        own: absolute paths of folders that are never part of a library.
        calls: makes the calls to the disk that may never return; None makes them plainly.
    """
    path = os.fsencode(root.path)
    inner = (below(os.fsencode(other.path), path) for other in roots)
    real = os.path.realpath(path)
    off_limits = (below(os.path.realpath(os.fsencode(other)), real) for other in own)
    rules = Rules(root, exclude, watch, [*filter(None, inner)], [*filter(None, off_limits)])
    return Lister(path, rules) if calls is None else PatientLister(path, rules, calls)


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
    for depth, marker in itertools.product(range(len(parts) + 1), MARKERS):
        above = b"/".join(parts[:depth])
        if is_marker(above, marker) and os.path.lexists(os.path.join(lister.path, above, marker)):
            return f"{os.fsdecode(marker)} in its folder or one above"
    with contextlib.suppress(OSError):
        path = os.path.join(lister.path, join(directory, name))
        return rules.size(name, os.stat(path).st_size)
    return None


def below(path: bytes, folder: bytes) -> bytes | None:
    """Return `path` relative to `folder`, None if it is not below it."""
    prefix = folder.rstrip(b"/") + b"/"
    return path[len(prefix) :] if path.startswith(prefix) else None
