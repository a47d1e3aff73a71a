"""Counts over the whole library, remembered for as long as they are right or counting is dear."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from imgvecd.api import FileCounts
from imgvecd.protocols import EmbeddingSource, ImageStore

# While the library is changing, counting takes at most one part in so many of a core: a million
# files take a fifth of a second to count, and progress is looked at twice a second.
_REST = 10


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted, at which catalog clock."""

    clock: int
    files: FileCounts
    files_per_root: dict[int, int]


@dataclass(frozen=True, slots=True)
class _Counted:
    figures: Figures
    at_s: float
    took_s: float


class Counter:
    """Counts files, as a model sees them, and remembers what it counted. Thread-safe."""

    def __init__(self, image_store: ImageStore, embeddings: EmbeddingSource) -> None:
        self._image_store = image_store
        self._embeddings = embeddings
        self._lock = threading.Lock()
        self._counted: dict[str | None, _Counted] = {}

    def figures(self, fingerprint: str | None, *, changing: bool) -> Figures:
        """Return the figures at this clock; blocks.

        Args:
            changing: the library is being worked on, so that figures that were right a moment ago
                will do: as old as ten times what counting them took.
        """
        with self._lock:
            clock = self._embeddings.clock()
            last = self._counted.get(fingerprint)
            now = time.monotonic()
            if last is not None and (
                last.figures.clock == clock
                or (changing and now < last.at_s + (1 + _REST) * last.took_s)
            ):
                return last.figures
            files = self._image_store.counts(fingerprint)
            figures = Figures(clock, files, self._image_store.files_per_root())
            self._counted[fingerprint] = _Counted(figures, now, time.monotonic() - now)
            return figures
