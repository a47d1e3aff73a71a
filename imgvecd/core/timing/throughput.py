"""How fast something goes."""

from __future__ import annotations

import collections
import time

_WINDOW_S = 30.0  # long enough to be steady, short enough to follow a change


class Rate:
    """Counts, and the speed over the last half minute.

    Attributes:
        total: everything counted.
    """

    def __init__(self) -> None:
        self.total = 0
        self._recent: collections.deque[tuple[float, int]] = collections.deque()

    def add(self, count: int) -> None:
        """Count so many more, now."""
        self.total += count
        self._recent.append((time.monotonic(), count))

    @property
    def per_s(self) -> float:
        """Units per second; 0 if nothing was counted lately."""
        now = time.monotonic()
        while self._recent and self._recent[0][0] < now - _WINDOW_S:
            self._recent.popleft()
        if len(self._recent) < 2:  # noqa: PLR2004  # one point has no speed
            return 0.0
        # the first batch took its time before the window's first point: it only marks the start
        later = sum(count for _, count in self._recent) - self._recent[0][1]
        return later / max(now - self._recent[0][0], 1e-3)
