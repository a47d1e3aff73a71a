"""Leaves an engine that does not answer alone for a while, so that nobody waits for it twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from imgvecd.errors import EngineError

P = ParamSpec("P")
T = TypeVar("T")


class Breaker:
    """Passes calls on until one fails; then refuses them for `rest_s`. Thread-safe."""

    def __init__(self, rest_s: float) -> None:
        self._rest_s = rest_s
        self._until_s = 0.0
        self._why = ""

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` returns.

        Raises:
            EngineError: it fails, or has failed a moment ago.
        """
        if time.monotonic() < self._until_s:
            raise EngineError(self._why)
        try:
            return function(*args, **kwargs)
        except EngineError as error:
            self.leave_alone(str(error))
            raise

    def leave_alone(self, why: str) -> None:
        """Refuse calls from now on: somebody has waited for one long enough."""
        self._why = why
        self._until_s = time.monotonic() + self._rest_s
