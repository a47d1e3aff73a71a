"""Watching on systems other than Linux, over watchdog's own observer for the system.

One recursive watch per root stands for all folders below it. What such an observer may miss, the
periodic scan finds.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from watchdog.events import FileClosedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

from imgvecd.types import Coverage, Hint, HintKind


class ObserverWatcher(FileSystemEventHandler):
    """Implements `imgvecd.protocols.Watcher`."""

    def __init__(self) -> None:
        self._on_hint: Callable[[Hint], None] = lambda _: None
        self._observer = Observer()
        self._lock = threading.Lock()
        self._watches: dict[bytes, ObservedWatch] = {}

    def start(self, on_hint: Callable[[Hint], None]) -> None:
        """Begin to listen."""
        self._on_hint = on_hint
        self._observer.start()

    def watch(self, directory: bytes) -> Coverage:
        """Hear of changes in `directory` from now on; free if a folder above is watched."""
        with self._lock:
            if any(directory == top or directory.startswith(top + b"/") for top in self._watches):
                return Coverage.EVENTS
            try:
                path = os.fsdecode(directory)
                self._watches[directory] = self._observer.schedule(self, path, recursive=True)
            except OSError:
                return Coverage.UNAVAILABLE
            return Coverage.EVENTS

    def forget(self, directory: bytes) -> None:
        """Stop hearing of `directory` if it was watched for itself."""
        with self._lock:
            watch = self._watches.pop(directory, None)
            if watch is not None:
                self._observer.unschedule(watch)

    def watch_above(self, root: bytes) -> None:
        """Do nothing: the periodic look at the roots finds out."""

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002  # of the protocol
        """Return False: these observers do not say how far they have come."""
        return False

    def told_all(self) -> bool:
        """Return True, likewise: nothing is known that was not told."""
        return True

    def mount_points(self) -> dict[bytes, str]:
        """Return nothing: no system but Linux tells."""
        return {}

    def limit(self) -> tuple[str, int] | None:
        """Return None: there is no such setting."""
        return None

    def stop(self) -> None:
        """Stop listening; nothing is heard after this returns."""
        self._on_hint = lambda _: None
        if self._observer.is_alive():
            self._observer.stop()
            self._observer.join()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Hear an event; called by watchdog on its thread."""
        kind = HintKind.CLOSED if isinstance(event, FileClosedEvent) else HintKind.CHANGED
        for path in (event.src_path, event.dest_path):
            if path:
                directory, name = os.path.split(os.fsencode(path))
                self._on_hint(Hint(kind, directory, name, event.is_directory))
