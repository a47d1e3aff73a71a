"""How many requests are answered at once, and whose turn it is next."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import sys
from collections.abc import AsyncIterator, Hashable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from imgvecd.errors import BusyError
from imgvecd.server.client_connection import client_of
from imgvecd.server.route import Table, Work

# More than there are threads to answer in would only queue there, where nobody takes turns.
SLOTS = 16


class RequestSlots:
    """Places for requests, given out client by client. For one event loop.

    A client that asks for more than its share waits for its own requests; of those that wait, each
    client gets one place after the other, whatever number of requests it has waiting. All others
    than the owner leave some places to the owner.

    Args:
        per_client: how many of the places one client may have; by default half of them, so that
            for another one a place is free, or soon will be.
        most_waiting: of one client; one more is refused.
    """

    def __init__(
        self,
        slots: int = SLOTS,
        per_client: int | None = None,
        most_waiting: int = sys.maxsize,
    ) -> None:
        self._free = slots
        self._per_client = per_client or max(slots // 2, 1)
        self._most_waiting = most_waiting
        self._for_others = max(slots * 3 // 4, 1)
        self._others: set[Hashable] = set()
        self._taken: collections.Counter[Hashable] = collections.Counter()
        self._waiting: collections.OrderedDict[
            Hashable, collections.deque[asyncio.Future[None]]
        ] = collections.OrderedDict()

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def under_way(self) -> int:
        """How many requests have a place."""
        return self._taken.total()

    @contextlib.asynccontextmanager
    async def slot(self, client: Hashable, *, owner: bool = True) -> AsyncIterator[None]:
        """Hold a place for one of the client's requests, waiting for its turn.

        Args:
            owner: it is one of the owner's.

        Raises:
            BusyError: too many requests of the client wait already.
        """
        if not owner:
            self._others.add(client)
        await self._take(client)
        try:
            yield
        finally:
            self._give_back(client)

    async def _take(self, client: Hashable) -> None:
        if self._may(client) and client not in self._waiting:
            self._count(client)
            return
        if len(self._waiting.get(client, ())) >= self._most_waiting:
            raise BusyError("You have as many requests of this kind under way as may be; wait.")
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

    def _give_back(self, client: Hashable) -> None:
        self._free += 1
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]
            if client not in self._waiting:
                self._others.discard(client)
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

    def _may(self, client: Hashable) -> bool:
        if self._free <= 0 or self._taken[client] >= self._per_client:
            return False
        others = sum(self._taken[other] for other in self._others)
        return client not in self._others or others < self._for_others

    def _count(self, client: Hashable) -> None:
        self._free -= 1
        self._taken[client] += 1

    def _tidy(self, client: Hashable) -> bool:
        """Forget requests of the client that left while they waited; return whether one waits."""
        left = collections.deque(turn for turn in self._waiting.get(client, ()) if not turn.done())
        if left:
            self._waiting[client] = left
        else:
            self._waiting.pop(client, None)
        return bool(left)


def slots_by_work() -> dict[Work, RequestSlots]:
    """Return the lines in which requests wait: how many go on at once, and of one client.

    What looks at the whole library shares the processor with searches, so there is little of it;
    streams and waits cost a connection each, and leave most of those to others.
    """
    return {
        Work.QUICK: RequestSlots(SLOTS),
        Work.HEAVY: RequestSlots(2, per_client=1, most_waiting=16),
        Work.WAITING: RequestSlots(48, per_client=24, most_waiting=0),
        Work.STREAM: RequestSlots(96, per_client=32, most_waiting=0),
    }


def limit_concurrency(slots: Mapping[Work, RequestSlots], table: Table) -> Middleware:
    """Return a middleware that has requests take turns, each kind in a line of its own."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        client = client_of(request)
        async with slots[table.work(request)].slot(client, owner=client.is_owner):
            return await handler(request)

    return middleware
