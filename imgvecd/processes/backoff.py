"""Pauses between the starts of a worker that keeps dying, and whom its deaths are blamed on."""

from __future__ import annotations

import time

from imgvecd.core.timing.retrying import backoff_s
from imgvecd.errors import ImgvecdError, ModelError, WorkerError

_FIRST_S = 0.5
_LONGEST_S = 30.0
# Narrowing a batch of 4,096 down to the one image that kills takes 2 × 13 deaths; more in a row,
# without a success between them, are not the images' fault.
_MOST_DEATHS = 26


class Backoff:
    """Counts deaths in a row. The first one is forgiven: the next start follows at once."""

    def __init__(self) -> None:
        self._deaths = 0
        self._not_before = 0.0

    def failed(self) -> None:
        """The worker died, or could not be started."""
        self._deaths += 1
        if self._deaths > 1:
            pause_s = backoff_s(self._deaths - 1, _FIRST_S, _LONGEST_S)
            self._not_before = time.monotonic() + pause_s

    def succeeded(self) -> None:
        """The worker did what it was asked for."""
        self._deaths = 0
        self._not_before = 0.0

    def pause_s(self) -> float:
        """Return how long it is until the next start, in seconds; 0 if it may be now."""
        return max(0.0, self._not_before - time.monotonic())

    @property
    def trouble(self) -> str | None:
        """What to tell a person; None while all is well, and after a single death."""
        return None if self._deaths <= 1 else str(self.error(self.pause_s()))

    def error(self, pause_s: float) -> WorkerError:
        """Return what to tell those who cannot wait."""
        return WorkerError(
            f"the encoder ended {self._deaths} times in a row; the next try is in {pause_s:.0f} s"
        )

    def blame(self, reason: str) -> ImgvecdError:
        """Return the error for the work that was under way: is it to blame, or the model?"""
        if self._deaths > _MOST_DEATHS:
            return ModelError(f"the encoder ended {self._deaths} times in a row: {reason}")
        return WorkerError(reason)
