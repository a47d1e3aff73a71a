"""Which watcher serves on this system."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from imgvecd.protocols import Watcher
from imgvecd.types import Coverage, Hint

logger = logging.getLogger(__name__)

INSTANCES = "/proc/sys/fs/inotify/max_user_instances"


def make_watcher() -> Watcher:
    """Return a watcher, not started yet; one that hears nothing if none works here."""
    if sys.platform != "linux":
        from imgvecd.adapters.watchdog_observer import ObserverWatcher  # noqa: PLC0415

        return ObserverWatcher()
    from imgvecd.adapters.watchdog_inotify import InotifyWatcher  # noqa: PLC0415

    try:
        return InotifyWatcher()
    except OSError as error:
        logger.warning("no file events: %s", error)
        return PollingWatcher()


class PollingWatcher:
    """Implements `imgvecd.protocols.Watcher` where the system's inotify instances are used up."""

    def start(self, on_hint: Callable[[Hint], None]) -> None:
        """Do nothing."""

    def watch(self, directory: bytes) -> Coverage:  # noqa: ARG002  # of the protocol
        """Return that the limit is reached."""
        return Coverage.LIMIT

    def forget(self, directory: bytes) -> None:
        """Do nothing."""

    def watch_above(self, root: bytes) -> None:
        """Do nothing: the periodic look at the roots finds out."""

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002  # of the protocol
        """Return False: nothing is known."""
        return False

    def told_all(self) -> bool:
        """Return True: nothing is ever told."""
        return True

    def mount_points(self) -> dict[bytes, str]:
        """Return nothing: nobody would tell when they change."""
        return {}

    def limit(self) -> tuple[str, int] | None:
        """Return (name, value) of the setting that is in the way."""
        try:
            with open(INSTANCES, encoding="ascii") as file:
                return "fs.inotify.max_user_instances", int(file.read())
        except (OSError, ValueError):
            return None

    def stop(self) -> None:
        """Do nothing."""
