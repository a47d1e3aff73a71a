"""What watching says of itself."""

from __future__ import annotations

import os
from dataclasses import dataclass

from imgvecd.core.watch.watched_root import WatchedRoot
from imgvecd.protocols import Watcher
from imgvecd.types import Coverage


@dataclass(frozen=True, slots=True)
class RootWatch:
    """How one root is watched.

    Attributes:
        offline_since_ns, reason: None while online.
        watching: "events", "poll", "mixed", or "none" while offline.
        warning: what limits the watching, and the way out.
    """

    online: bool
    offline_since_ns: int | None
    reason: str | None
    watching: str
    warning: str | None


def describe(root: WatchedRoot, watcher: Watcher, poll_interval_s: float) -> RootWatch:
    """Return how a root is watched. Any thread may ask."""
    row = root.row
    return RootWatch(
        root.online,
        row.offline_since_ns,
        row.offline_reason,
        root.watching(),
        _warning(root, watcher, poll_interval_s) if root.online else None,
    )


def _warning(root: WatchedRoot, watcher: Watcher, poll_interval_s: float) -> str | None:
    parts = [f"{os.fsdecode(mount.dir)!r}: {mount.offline_reason}" for mount in root.mounts.away()]
    if limited := _limited(root, watcher, poll_interval_s):
        parts.append(limited)
    return "; ".join(parts) or None


def _limited(root: WatchedRoot, watcher: Watcher, poll_interval_s: float) -> str | None:
    every = f"scanned every {poll_interval_s:g} s instead"
    beyond = root.tree.count(Coverage.LIMIT)
    if beyond:
        limit = watcher.limit()
        name, value = limit if limit is not None else ("the limit of watches", 0)
        return (
            f"{beyond} of {len(root.tree)} folders are {every}: {name} is {value} and used up; "
            f"raise it to {value + beyond} or more"
        )
    remote = root.tree.count(Coverage.FILESYSTEM)
    if remote and not root.polled:
        return f"{remote} of {len(root.tree)} folders lie where changes are not told; {every}"
    unreadable = root.tree.count(Coverage.UNAVAILABLE)
    if unreadable:
        return f"{unreadable} of {len(root.tree)} folders cannot be watched or read; {every}"
    return None
