"""Hearing that a folder above a root was renamed or deleted: the root itself hears nothing of it.

An inotify instance of its own: the folders may lie in another root, and be watched for more there.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

_MASK = Mask(
    InotifyConstants.IN_MOVE_SELF | InotifyConstants.IN_DELETE_SELF | InotifyConstants.IN_ONLYDIR
)


class FoldersAbove:
    """Calls `moved`, on a thread of its own. Where it cannot hear, the periodic look finds out."""

    def __init__(self, moved: Callable[[], None]) -> None:
        self._moved = moved
        self._ids = itertools.count()
        self._watches: dict[bytes, tuple[WatchDescriptor, CallbackId]] = {}
        self._inotify: InotifyFD | None = None
        with contextlib.suppress(OSError):  # the system's instances are used up
            self._inotify = InotifyFD()

    def start(self) -> None:
        """Begin to listen."""
        if self._inotify is not None:
            self._inotify.start()

    def watch(self, root: bytes) -> None:
        """Hear of all folders above a root from now on; harmless when repeated. One thread."""
        for folder in {*_above(root), *_above(os.path.realpath(root))}:
            with contextlib.suppress(OSError):  # not there, or no watch is left
                self._watch(folder)

    def stop(self) -> None:
        """Stop listening; nothing is called after this returns."""
        self._moved = lambda: None
        if self._inotify is not None:
            self._inotify.stop()
            if self._inotify.is_alive():
                self._inotify.join()

    # Called by watchdog, on its thread

    def on_event(self, event: InotifyEvent) -> None:  # noqa: ARG002  # watchdog's name
        """Hear that a folder was renamed or deleted."""
        self._moved()

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:  # noqa: ARG002  # watchdog's name
        """Hear that a folder is gone, or its file system unmounted."""
        self._moved()

    def on_queue_overflow(self) -> None:
        """Hear that events were lost."""
        self._moved()

    def _watch(self, folder: bytes) -> None:
        if self._inotify is None:
            return
        identity = CallbackId(next(self._ids))
        watch = (self._inotify.add_callback(folder, _MASK, self, identity), identity)
        before = self._watches.get(folder)
        self._watches[folder] = watch
        if before is not None:
            self._inotify.remove_callbacks([before])


def _above(path: bytes) -> Iterator[bytes]:
    while (parent := os.path.dirname(path)) != path:
        yield parent
        path = parent
