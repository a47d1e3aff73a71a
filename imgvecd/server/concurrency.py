"""How many requests are answered at once, and whose turn it is next."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from imgvecd.server.client_connection import peer
from imgvecd.server.route import Lasting

# More than there are threads to answer in would only queue there, where nobody takes turns.
PLACES = 16
# One client never has them all, so that for another one a place is free, or soon will be.
PLACES_PER_CLIENT = PLACES // 2


class RequestTurns:
    """Places for requests, given out client by client. For one event loop.

    A client that asks for more than its share waits for its own requests; of those that wait, each
    client gets one place after the other, whatever number of requests it has waiting.
    """

    def __init__(self, places: int = PLACES, per_client: int = PLACES_PER_CLIENT) -> None:
        self._free = places
        self._per_client = per_client
        self._taken: collections.Counter[int] = collections.Counter()
        self._waiting: collections.OrderedDict[int, collections.deque[asyncio.Future[None]]] = (
            collections.OrderedDict()
        )

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def under_way(self) -> int:
        """How many requests have a place."""
        return self._taken.total()

    @contextlib.asynccontextmanager
    async def place(self, client: int) -> AsyncIterator[None]:
        """Hold a place for one of the client's requests, waiting for its turn."""
        await self._take(client)
        try:
            yield
        finally:
            self._give_back(client)

    async def _take(self, client: int) -> None:
        if self._may(client) and client not in self._waiting:
            self._count(client)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, collections.deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._tidy(client)
            else:
                self._give_back(client)  # the turn came, and nobody was there any more
            raise

    def _give_back(self, client: int) -> None:
        self._free += 1
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]
        self._next()

    def _next(self) -> None:
        """Give free places to those who wait, the client that got one last at the end."""
        for client in list(self._waiting):
            if not self._free:
                return
            if self._tidy(client) and self._may(client):
                turn = self._waiting[client].popleft()
                self._waiting.move_to_end(client)
                self._tidy(client)
                self._count(client)
                turn.set_result(None)

    def _may(self, client: int) -> bool:
        return self._free > 0 and self._taken[client] < self._per_client

    def _count(self, client: int) -> None:
        self._free -= 1
        self._taken[client] += 1

    def _tidy(self, client: int) -> bool:
        """Forget requests of the client that left while they waited; return whether one waits."""
        left = collections.deque(turn for turn in self._waiting.get(client, ()) if not turn.done())
        if left:
            self._waiting[client] = left
        else:
            self._waiting.pop(client, None)
        return bool(left)


def take_turns(turns: RequestTurns, lasting: Lasting) -> Middleware:
    """Return a middleware that has requests take turns, but those that last."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request in lasting:
            return await handler(request)
        async with turns.place(peer(request).pid):
            return await handler(request)

    return middleware
