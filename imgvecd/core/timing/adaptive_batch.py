"""How many inputs go into one step, so that somebody in a hurry never waits for long."""

from __future__ import annotations

_FIRST = 4  # inputs of the first step, when nothing is known about their speed


class AdaptiveBatch:
    """Learns the speed of one kind of input.

    Args:
        step_s: longest that a step shall take, in seconds.
        least: inputs that a step shall have where it takes no longer than twice that; fewer leave
            part of the processor without work.

    Attributes:
        most: inputs of a step, however fast they are.
        streams: that share out a step: of one that they cannot share evenly, some do nothing for a
            while.
        seconds_each: that an input takes; 0 while nothing is known.
    """

    def __init__(self, step_s: float, most: int, least: int = 1) -> None:
        self._step_s = step_s
        self._least = least
        self._grown = _FIRST
        self.most = most
        self.streams = 1
        self.seconds_each = 0.0

    def begin_with(self, inputs: int, seconds_each: float) -> None:
        """Go on from what was learnt before."""
        self._grown, self.seconds_each = inputs, seconds_each

    def step(self, step_s: float | None = None) -> int:
        """Return how many inputs to send at once, at least 1.

        Args:
            step_s: longest that this step shall take, if that is shorter than usual; be it of one.
        """
        limit_s = self._step_s if step_s is None else min(step_s, self._step_s)
        fitting = int(limit_s / self.seconds_each) if self.seconds_each else self._grown
        if step_s is None and self.seconds_each and fitting < self._least:
            fitting = min(self._least, int(2 * limit_s / self.seconds_each))
        count = max(1, min(fitting, self._grown))
        if step_s is None and count > self.streams:
            count = (count + self.streams // 2) // self.streams * self.streams
        return min(count, self.most)

    def learn(self, inputs: int, seconds: float) -> None:
        """Take in how long a step took; a single slow one moves the estimate by a third.

        Steps grow by doubling, since larger batches are faster per input.
        """
        each = max(seconds / inputs, 1e-6)
        full = inputs >= self.step()
        self.seconds_each += (each - self.seconds_each) * (0.3 if self.seconds_each else 1.0)
        if full:
            self._grown = min(2 * inputs, self.most)
