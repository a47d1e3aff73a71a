"""Turns the watcher's events into folders and names to scan."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from imgvecd.core.files.formats import is_read_name, is_watched_name
from imgvecd.core.watch.debounce import OPEN_FACTOR, Debounce
from imgvecd.core.watch.disk_truth import below
from imgvecd.core.watch.foreign_folders import is_marker
from imgvecd.core.watch.scan_queue import ScanQueue
from imgvecd.types import Hint, HintKind


class EventRouter:
    """Turns hints into folders to look at. `route` runs on any thread and never blocks.

    Args:
        recheck_roots: called when roots may have come or gone.
    """

    def __init__(
        self, scan_queue: ScanQueue, debounce: Debounce, recheck_roots: Callable[[], None]
    ) -> None:
        self._scan_queue = scan_queue
        self._debounce = debounce
        self._recheck_roots = recheck_roots
        self._roots: tuple[tuple[bytes, int, bool], ...] = ()

    def use_roots(self, roots: Mapping[bytes, tuple[int, bool]]) -> None:
        """Take these paths for the roots: (id, whether links are followed)."""
        # Of nested roots, the inner one comes first.
        self._roots = tuple((path, *roots[path]) for path in sorted(roots, key=len, reverse=True))

    def route(self, hint: Hint) -> None:
        """Queue what the hint gives reason to look at."""
        if hint.kind is HintKind.LOST:
            for _, root_id, _ in self._roots:
                self._scan_queue.scan(root_id)
        elif hint.kind is HintKind.ROOTS or hint.directory is None:
            self._recheck_roots()
        else:
            self._route(hint, hint.directory)

    def _route(self, hint: Hint, folder: bytes) -> None:
        for path, root_id, follows_links in self._roots:
            directory = b"" if folder == path else below(folder, path)
            if directory is not None:
                if hint.name is None:
                    self._route_folder(root_id, directory)
                else:
                    self._route_entry(hint, root_id, directory, hint.name, follows_links)
                return

    def _route_folder(self, root_id: int, directory: bytes) -> None:
        self._scan_queue.add(root_id, directory, None)
        if directory:
            parent, _, name = directory.rpartition(b"/")
            self._scan_queue.add(root_id, parent, [name])
        else:
            self._recheck_roots()

    def _route_entry(
        self, hint: Hint, root_id: int, directory: bytes, name: bytes, follows_links: bool
    ) -> None:
        key = root_id, directory, name
        if is_marker(directory, name):  # whatever it is
            self._scan_queue.add(root_id, directory, None)
        elif hint.is_directory:
            self._scan_queue.add(root_id, directory, [name])
            self._scan_queue.add(root_id, os.path.join(directory, name), None)
        elif hint.kind is HintKind.WRITTEN:
            wait_s = self._debounce.settle_s
            if is_read_name(os.fsdecode(name)):
                self._debounce.written(key)
            elif is_watched_name(os.fsdecode(name)):
                wait_s *= OPEN_FACTOR  # a film may be recorded for hours; only its size is kept
            self._scan_queue.add_later(key, wait_s)  # any name may be another one of a picture
        else:
            if follows_links or is_watched_name(os.fsdecode(name)):
                if hint.kind is HintKind.CLOSED:
                    self._debounce.closed(key)
                elif hint.kind is HintKind.MOVED:
                    self._debounce.forget(key)
            self._scan_queue.add(root_id, directory, [name])
