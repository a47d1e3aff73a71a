"""Leaves the event loop to others: what takes long there rests, and who is refused waits."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from imgvecd.errors import BusyError
from imgvecd.server.client_connection import Stage, client_of, enter

# A body rests so many times as long as it has taken: it has an eighth of the loop at the most, in
# which tens of megabytes a second arrive.
_TIMES = 7
_LEAST_S = 0.0002  # less is not worth a rest, which takes a millisecond at the least
# Who is refused may well come again at once, hundreds of times a second, on as many connections as
# it may have: to wait costs nothing, to come again a millisecond of the event loop.
_REFUSAL_S = 0.5
_BETWEEN_REFUSALS_S = 0.1  # of one client
_LONGEST_REFUSAL_S = 10.0


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


def delay_refusals() -> Middleware:
    """Return a middleware that has clients wait for a refusal, and for each more a bit longer."""
    told: dict[Hashable, float] = {}  # when each client's latest is, by the event loop's clock

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except BusyError:
            now, client = asyncio.get_running_loop().time(), client_of(request)
            for other in [other for other, at in told.items() if at <= now]:
                del told[other]
            turn = told.get(client, 0.0) + _BETWEEN_REFUSALS_S
            told[client] = min(max(now + _REFUSAL_S, turn), now + _LONGEST_REFUSAL_S)
            enter(request, Stage.IDLE)  # it may well make room for others meanwhile
            await asyncio.sleep(told[client] - now)
            raise

    return middleware
