"""Trying again, with growing pauses, what will work once its cause is gone."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from imgvecd.core.files.disk_errors import describe
from imgvecd.errors import CatalogError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


DISK_ERRORS = (CatalogError, OSError)
"""What a full, failing or vanished disk makes of writing catalog and index."""

DISK_LONGEST_S = 30.0
"""Longest pause before a disk is tried again: a try costs little, and space may be back soon."""

_MOST_DOUBLINGS = 64  # of a pause, which is as long as it gets long before


def backoff_s(failures: int, first_s: float, longest_s: float) -> float:
    """Return how long to pause after `failures` in a row, from 1 on: each time twice as long."""
    return min(first_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest_s)


class Retrying:
    """Repeats calls that fail for a passing reason: a full disk, a model that cannot be fetched.

    Args:
        first_s, longest_s: pauses, which double from one to the other.
        level: of the log lines that tell of it.

    Attributes:
        error: why the latest call is being repeated; None when all is well.
        next_try_at: when it is, in seconds of `time.time`; None while it runs.
    """

    def __init__(
        self,
        errors: type[Exception] | tuple[type[Exception], ...],
        *,
        first_s: float = 2.0,
        longest_s: float = 300.0,
        level: int = logging.ERROR,
    ) -> None:
        self.error: str | None = None
        self.next_try_at: float | None = None
        self._now = asyncio.Event()
        self._errors = errors
        self._first_s = first_s
        self._longest_s = longest_s
        self._level = level

    async def call(
        self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what `function` returns, however often it takes."""
        failures = 0
        while True:
            try:
                result = await function(*args, **kwargs)
            except self._errors as error:
                failures += 1
                self.error = _sentence(error)
                pause_s = backoff_s(failures, self._first_s, self._longest_s)
                logger.log(self._level, "%s; trying again in %.0f s", self.error, pause_s)
            else:
                self.error = None
                return result
            await self._pause(pause_s)

    def try_now(self) -> None:
        """End the pause before the next try, if one goes on."""
        self._now.set()

    async def _pause(self, pause_s: float) -> None:
        self._now.clear()
        self.next_try_at = time.time() + pause_s
        try:
            async with asyncio.timeout(pause_s):
                await self._now.wait()
        except TimeoutError:
            pass
        finally:
            self.next_try_at = None


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror is not None:
        return f"the index cannot be written: {describe(error)}"
    return str(error)
