"""How long something takes, as counts under bounds: what a histogram is drawn from."""

from __future__ import annotations

import bisect
from collections.abc import Sequence


class DurationHistogram:
    """Counts durations. For one event loop.

    Attributes:
        bounds_s: upper bounds, ascending; what is longer than the last counts in `total` alone.
        counts: how many were within each bound and above the one before.
        total: how many there were.
        sum_s: all of them added up.
    """

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.bounds_s = tuple(bounds_s)
        self.counts = [0] * len(self.bounds_s)
        self.total = 0
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        place = bisect.bisect_left(self.bounds_s, seconds)
        if place < len(self.counts):
            self.counts[place] += 1
        self.total += 1
        self.sum_s += seconds

    def cumulated(self) -> list[tuple[float, int]]:
        """Return (bound, how many were within it)."""
        within, result = 0, []
        for bound_s, count in zip(self.bounds_s, self.counts, strict=True):
            within += count
            result.append((bound_s, within))
        return result
