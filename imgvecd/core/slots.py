"""Who is next: places that clients take in turns, so that one that asks a lot waits for itself."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Hashable

from imgvecd.core.recent_clients import RecentClients
from imgvecd.errors import BusyError

# What goes before the rest may not keep it waiting for good: one of so many turns is the rest's.
_TURNS = 4
RANKS = 3
ORDINARY = 1  # rank


class _Line:
    """What waits of one client: what goes first, what goes next, and the rest, as they came."""

    def __init__(self) -> None:
        self._ranks = [collections.deque[asyncio.Future[None]]() for _ in range(RANKS)]
        self._went_before = [0] * RANKS

    def __len__(self) -> int:
        return sum(map(len, self._ranks))

    def add(self, turn: asyncio.Future[None], rank: int) -> None:
        """Have a turn wait."""
        self._ranks[rank].append(turn)

    def pop(self) -> asyncio.Future[None]:
        """Return the next turn; one must wait."""
        for chosen in [rank for rank, turns in enumerate(self._ranks) if turns]:
            self._went_before[chosen] += 1
            if self._went_before[chosen] < _TURNS:
                break
            self._went_before[chosen] = 0
        return self._ranks[chosen].popleft()

    def remove(self, turn: asyncio.Future[None]) -> None:
        """Forget a turn, if it waits."""
        for turns in self._ranks:
            with contextlib.suppress(ValueError):
                turns.remove(turn)

    def tidy(self) -> None:
        """Forget those who left before their turn."""
        for turns in self._ranks:
            while turns and turns[0].done():
                turns.popleft()


class Slots:
    """Places, given out client by client. For one event loop.

    A client that asks for more than its share waits for itself; of those that wait, each client
    gets one place after the other, whatever number it waits for. All others than the owner leave
    some places to the owner.

    Args:
        per_client: how many of the places one client may have; by default half of them, so that
            for another one a place is free, or soon will be.
        beside_others: how many one client may have while others come, too; as many by default.
        most_waiting: of one client; one more is refused.
    """

    def __init__(
        self,
        slots: int,
        per_client: int | None = None,
        most_waiting: int = sys.maxsize,
        *,
        beside_others: int | None = None,
    ) -> None:
        self._free = slots
        self._per_client = per_client or max(slots // 2, 1)
        self._beside_others = beside_others or self._per_client
        self._most_waiting = most_waiting
        self._recent = RecentClients()
        self._for_others = max(slots * 3 // 4, 1)
        self._others: set[Hashable] = set()
        self._taken: collections.Counter[Hashable] = collections.Counter()
        self._waiting: collections.OrderedDict[Hashable, _Line] = collections.OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def under_way(self) -> int:
        """How many have a place."""
        return self._taken.total()

    def alone(self, client: Hashable) -> bool:
        """Return whether no other client came lately."""
        self._recent.forget_gone(time.monotonic())
        return self._recent.alone(client)

    @contextlib.asynccontextmanager
    async def slot(
        self, client: Hashable, *, owner: bool = True, rest_s: float = 0.0
    ) -> AsyncIterator[None]:
        """Hold a place of the client's for as long as the context lasts; errors as for `take`.

        Args:
            rest_s: afterwards, as for `give_back`.
        """
        await self.take(client, owner=owner)
        try:
            yield
        finally:
            self.give_back(client, rest_s)

    async def take(self, client: Hashable, *, owner: bool = True, rank: int = ORDINARY) -> None:
        """Take a place for the client, waiting for its turn.

        Args:
            owner: it is one of the owner's.
            rank: among what the client waits for, from 0, which goes first, below `RANKS`.

        Raises:
            BusyError: too many of the client's wait already.
        """
        if not owner:
            self._others.add(client)
        self._recent.note(client, time.monotonic())
        if self._may(client) and client not in self._waiting:
            self._count(client)
            return
        if len(self._waiting.get(client, ())) >= self._most_waiting:
            raise BusyError("You already have the most requests of this kind; wait until one ends.")
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, _Line()).add(turn, rank)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                if client in self._waiting:
                    self._waiting[client].remove(turn)
                self._tidy(client)
            else:
                self.give_back(client)  # the turn came, and nobody was there any more
            raise

    def give_back(self, client: Hashable, rest_s: float = 0.0) -> None:
        """Give back a place that the client has; whoever is next gets it.

        Args:
            rest_s: for so long it counts as the client's still, while others may have it.
        """
        self._free += 1
        if rest_s > 0:
            asyncio.get_running_loop().call_later(rest_s, self._uncount, client)
            self._next()
        else:
            self._uncount(client)

    def _uncount(self, client: Hashable) -> None:
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]
            if client not in self._waiting:
                self._others.discard(client)
        self._next()

    def _next(self) -> None:
        """Give free slots to those who wait, the client that got one last at the end."""
        gave = True
        while gave:
            gave = False
            for client in list(self._waiting):
                if self._tidy(client) and self._may(client):
                    turn = self._waiting[client].pop()
                    self._waiting.move_to_end(client)
                    self._tidy(client)
                    self._count(client)
                    turn.set_result(None)
                    gave = True

    def _may(self, client: Hashable) -> bool:
        share = self._per_client if self.alone(client) else self._beside_others
        if self._free <= 0 or self._taken[client] >= share:
            return False
        others = sum(self._taken[other] for other in self._others)
        return client not in self._others or others < self._for_others

    def _count(self, client: Hashable) -> None:
        self._free -= 1
        self._taken[client] += 1

    def _tidy(self, client: Hashable) -> bool:
        """Forget those of the client's that left before their turn; return whether one waits."""
        waiting = self._waiting.get(client)
        if waiting is not None:
            waiting.tidy()
        if not waiting:
            self._waiting.pop(client, None)
        return bool(waiting)
