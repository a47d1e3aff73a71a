"""How many inputs go into one step, so that somebody in a hurry never waits for long."""

from __future__ import annotations

_STEP_S = 0.08  # a waiting text is answered within about 100 ms
_FIRST = 4  # inputs of the first step, when nothing is known about their speed


class AdaptiveBatch:
    """Learns the speed of one kind of input."""

    def __init__(self) -> None:
        self._inputs = _FIRST
        self._seconds_each = 0.0

    def step(self) -> int:
        """Return how many inputs to send at once, at least 1."""
        return self._inputs

    def learn(self, inputs: int, seconds: float) -> None:
        """Take in how long a step took; a single slow one moves the estimate by a third.

        Steps grow by doubling, since larger batches are faster per input on a GPU.
        """
        each = seconds / inputs
        self._seconds_each += (each - self._seconds_each) * (0.3 if self._seconds_each else 1.0)
        fitting = int(_STEP_S / max(self._seconds_each, 1e-6))
        self._inputs = max(1, min(fitting, 2 * inputs if inputs >= self._inputs else self._inputs))
