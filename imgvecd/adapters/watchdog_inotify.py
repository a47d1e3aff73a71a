"""Watching on Linux, over watchdog's inotify reader.

watchdog's `Observer` keeps to itself what this program must know: that the kernel's queue has
overflowed, that a watch could not be added, that a watch has ended. `InotifyFD` below it tells all
three to its callbacks: one inotify instance, one reading thread, and a watch per folder with the
mask that we ask for.
"""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import itertools
import logging
import os
import struct
import tempfile
import termios
import threading
from collections.abc import Callable, Collection

from watchdog.observers.inotify_c import (
    DEFAULT_EVENT_BUFFER_SIZE,
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
    inotify_rm_watch,
)

from imgvecd.adapters.mounts import MountMonitor, filesystem_type, read_mounts, tells_events
from imgvecd.adapters.watchdog_above import FoldersAbove
from imgvecd.types import Coverage, Hint, HintKind

logger = logging.getLogger(__name__)

# Neither opening nor reading is heard of: indexing itself does both all the time.
MASK = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVE
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_EXCL_UNLINK
)

_INT = struct.Struct("i")

LIMIT_FILE = "/proc/sys/fs/inotify/max_user_watches"


class InotifyWatcher:
    """Implements `imgvecd.protocols.Watcher`."""

    def __init__(self) -> None:
        self._on_hint: Callable[[Hint], None] = lambda _: None
        self._inotify = _Reader()
        self._monitor = MountMonitor(self._roots_in_doubt)
        self._above = FoldersAbove(self._roots_in_doubt)
        self._mounts = read_mounts()
        self._lock = threading.Lock()
        self._ids = itertools.count()
        self._watches: dict[bytes, tuple[WatchDescriptor, CallbackId]] = {}
        # One folder can be watched under several paths: bind mounts, links, moves in progress.
        self._paths: dict[WatchDescriptor, set[bytes]] = {}
        self._left: tuple[int, list[Hint]] | None = None  # what moves, by its cookie

    def start(self, on_hint: Callable[[Hint], None]) -> None:
        """Begin to listen."""
        self._on_hint = on_hint
        self._inotify.start()
        self._monitor.start()
        self._above.start()

    def watch(self, directory: bytes) -> Coverage:
        """Hear of changes in `directory` (not below) from now on; harmless when repeated."""
        if not tells_events(filesystem_type(directory, self._mounts)):
            return Coverage.FILESYSTEM
        identity = CallbackId(next(self._ids))
        try:
            descriptor = self._inotify.add_callback(directory, MASK, self, identity)
        except OSError as error:
            self.forget(directory)
            limited = error.errno in {errno.ENOSPC, errno.ENOMEM}
            return Coverage.LIMIT if limited else Coverage.UNAVAILABLE
        if descriptor == -1:  # watchdog's way to say that the folder may not be read
            self._inotify.remove_callbacks([(descriptor, identity)])
            return Coverage.UNAVAILABLE
        with self._lock:
            before = self._watches.get(directory)
            self._watches[directory] = (descriptor, identity)
            self._paths.setdefault(descriptor, set()).add(directory)
            if before is not None and before[0] != descriptor:
                self._end(*before, directory)
        if before is not None and before[0] == descriptor:
            self._inotify.remove_callbacks([before])
        return Coverage.EVENTS

    def forget(self, directory: bytes) -> None:
        """Stop hearing of `directory`; harmless if it was never watched."""
        with self._lock:
            watch = self._watches.pop(directory, None)
            if watch is not None:
                self._end(*watch, directory)

    def watch_above(self, root: bytes) -> None:
        """Hear of it when a folder above `root` is renamed or deleted; harmless when repeated."""
        self._above.watch(root)

    def flush(self, timeout_s: float) -> bool:
        """Wait until every change made before the call was told; False if that cannot be known."""
        # The kernel's queue is in order: what it tells of this folder's end, it tells last.
        flushed = _Flush()
        identity = CallbackId(next(self._ids))
        try:
            folder = tempfile.mkdtemp(prefix="imgvecd-")
            try:
                mask = Mask(InotifyConstants.IN_DELETE_SELF)
                self._inotify.add_callback(os.fsencode(folder), mask, flushed, identity)
            finally:
                os.rmdir(folder)
        except OSError:
            return False
        return flushed.wait(timeout_s)

    def told_all(self) -> bool:
        """Return whether every change made before the call was told; costs one system call."""
        return not self._inotify.is_alive() or self._inotify.handed_on()

    def mount_points(self) -> dict[bytes, str]:
        """Return the type of the file system on each mount point now, by absolute path."""
        self._mounts = read_mounts()
        return {mount.path: mount.type for mount in self._mounts}

    def limit(self) -> tuple[str, int] | None:
        """Return (name, value) of the setting that bounds the number of watches."""
        try:
            with open(LIMIT_FILE, encoding="ascii") as file:
                return "fs.inotify.max_user_watches", int(file.read())
        except (OSError, ValueError):
            return None

    def stop(self) -> None:
        """Stop listening; nothing is heard after this returns."""
        self._on_hint = lambda _: None
        if self._inotify.is_alive():
            self._monitor.stop()
        self._above.stop()
        self._inotify.stop()
        if self._inotify.is_alive():
            self._inotify.join()

    # Called by watchdog, on its thread

    def on_event(self, event: InotifyEvent) -> None:
        """Hear one event of a watched folder."""
        kind = _kind(event)
        hints = [
            Hint(kind, path, event.name or None, event.is_directory)
            for path in self._paths_of(event.wd)
        ]
        for hint in hints:
            self._on_hint(hint)
        # the kernel tells both halves of a move together
        left, self._left = self._left, (event.cookie, hints) if event.is_moved_from else None
        if event.is_moved_to and left is not None and left[0] == event.cookie:
            for hint in left[1]:
                self._on_hint(dataclasses.replace(hint, kind=HintKind.MOVED))

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        """Hear that a watched folder is gone, or its file system unmounted."""
        with self._lock:
            paths = self._paths.pop(wd, set())
            lost = [path for path in paths if self._watches.get(path, (-1, None))[0] == wd]
            for path in lost:
                del self._watches[path]
        for path in lost:
            self._on_hint(Hint(HintKind.CHANGED, path))

    def on_queue_overflow(self) -> None:
        """Hear that the kernel had to drop events, ends of watches among them."""
        with self._lock:
            watched = {descriptor for descriptor, _ in self._watches.values()}
            ended = self._paths.keys() - watched
            for descriptor in ended:
                del self._paths[descriptor]
        self._inotify.clear_away(ended)
        logger.warning("the kernel's event queue has overflowed; scanning everything")
        self._on_hint(Hint(HintKind.LOST))

    def _paths_of(self, descriptor: WatchDescriptor) -> tuple[bytes, ...]:
        with self._lock:
            return tuple(self._paths.get(descriptor, ()))

    def _end(self, descriptor: WatchDescriptor, identity: CallbackId, directory: bytes) -> None:
        paths = self._paths.get(descriptor, set())
        if paths == {directory}:  # what has happened in it until now will still be told
            self._inotify.end_watch(descriptor)
        else:
            paths.discard(directory)
            self._inotify.remove_callbacks([(descriptor, identity)])

    def _roots_in_doubt(self) -> None:
        self._on_hint(Hint(HintKind.ROOTS))


class _Reader(InotifyFD):
    """Knows whether it has handed on all that the kernel has queued."""

    def __init__(self) -> None:
        super().__init__()
        self._handling = False

    def handed_on(self) -> bool:
        """Return whether it has; any thread may ask."""
        try:
            queued = fcntl.ioctl(self._inotify_fd, termios.FIONREAD, bytes(_INT.size))
        except OSError:  # closed this moment
            return True
        # in this order: before it leaves the queue, `_handling` says so
        return not _INT.unpack(queued)[0] and not self._handling

    def end_watch(self, descriptor: WatchDescriptor) -> None:
        """End a watch; unlike `remove_callbacks`, what the kernel has queued of it is handed on.

        The kernel's note of the end, which comes last, clears it away.
        """
        with self._lock:
            if not self._closed:
                inotify_rm_watch(self._inotify_fd, descriptor)  # one that has ended: harmless

    def clear_away(self, ended: Collection[WatchDescriptor]) -> None:
        """Forget watches that have ended, of which the kernel may tell no more."""
        with self._lock:
            for descriptor in ended:
                self._remove_watch(descriptor)

    def read_events(
        self, *, event_buffer_size: int = DEFAULT_EVENT_BUFFER_SIZE
    ) -> list[InotifyEvent]:
        """Return what comes next, once all before it was handled."""
        self._handling = False
        return super().read_events(event_buffer_size=event_buffer_size)

    def _check_inotify_fd(self) -> bool:
        self._handling = super()._check_inotify_fd()
        return self._handling


class _Flush:
    """Waits for the end of a watch."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._complete = True

    def wait(self, timeout_s: float) -> bool:
        return self._ended.wait(timeout_s) and self._complete

    def on_event(self, event: InotifyEvent) -> None:
        """Nothing: the end is yet to come."""

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:  # noqa: ARG002  # watchdog's name
        self._ended.set()

    def on_queue_overflow(self) -> None:
        self._complete = False
        self._ended.set()


def _kind(event: InotifyEvent) -> HintKind:
    if event.is_modify:
        return HintKind.WRITTEN
    if event.is_close_write or event.is_moved_to:
        return HintKind.CLOSED
    return HintKind.CHANGED
