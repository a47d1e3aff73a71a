"""Leaves the event loop to others: what takes long there rests between its steps."""

from __future__ import annotations

import asyncio

# A body rests so many times as long as it has taken: it has an eighth of the loop at the most, in
# which tens of megabytes a second arrive.
_TIMES = 7
_LEAST_S = 0.0002  # less is not worth a rest, which takes a millisecond at the least


class Courtesy:
    """Of one request, which works on its body: has it rest in proportion to what that takes."""

    def __init__(self) -> None:
        self._owed_s = 0.0

    async def rest(self, took_s: float) -> None:
        """Let others go on, for a while once there is some to make up for.

        Args:
            took_s: processor time of the step before.
        """
        self._owed_s += took_s
        if self._owed_s < _LEAST_S:
            await asyncio.sleep(0)
        else:
            rest_s, self._owed_s = _TIMES * self._owed_s, 0.0
            await asyncio.sleep(rest_s)
