"""Trying again, with growing pauses, what will work once its cause is gone."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import tenacity

from imgvecd.core.files.disk_errors import describe
from imgvecd.errors import CatalogError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")


DISK_ERRORS = (CatalogError, OSError)
"""What a full, failing or vanished disk makes of writing catalog and index."""

DISK_LONGEST_S = 30.0
"""Longest pause before a disk is tried again: a try costs little, and space may be back soon."""


class Retrying:
    """Repeats calls that fail for a passing reason: a full disk, a model that cannot be fetched.

    Args:
        first_s, longest_s: pauses, which double from one to the other.
        level: of the log lines that tell of it.

    Attributes:
        error: why the latest call is being repeated; None when all is well.
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
        self._level = level
        self._retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(errors),
            wait=tenacity.wait_exponential(multiplier=first_s, max=longest_s),
            before_sleep=self._tell,
        )

    async def call(
        self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what `function` returns, however often it takes."""
        result: T = await self._retrying(function, *args, **kwargs)
        self.error = None
        return result

    def _tell(self, state: tenacity.RetryCallState) -> None:
        assert state.outcome is not None and state.next_action is not None  # noqa: PT018, S101  # so tenacity promises before a sleep
        self.error = _sentence(state.outcome.exception())
        pause_s = state.next_action.sleep
        logger.log(self._level, "%s; trying again in %.0f s", self.error, pause_s)


def _sentence(error: BaseException | None) -> str:
    if isinstance(error, OSError) and error.strerror is not None:
        return f"the index cannot be written: {describe(error)}"
    return str(error)
