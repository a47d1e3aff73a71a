"""How many requests are answered at once, and whose turn it is next."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from imgvecd.core.slots import ORDINARY, RANKS, Slots
from imgvecd.core.threads import Asker, asker
from imgvecd.server.client_connection import client_of
from imgvecd.server.route import Table, Work

# More than there are threads to answer in would only queue there, where nobody takes turns.
SLOTS = 16
# Between two requests of one client that set the daemon to work. A person notices nothing of it.
_UPKEEP_REST_S = 0.05
# What goes before and after all else that a client waits for.
_RANKS = {Work.REMEMBERED: 0, Work.ENCODING: RANKS - 1, Work.UPKEEP: RANKS - 1}


def slots_by_work() -> dict[Work, Slots]:
    """Return the lines in which requests wait: how many go on at once, and of one client.

    What looks at the whole library shares the processor with searches, so there is little of it;
    streams and waits cost a connection each, and leave most of those to others.
    """
    return {
        Work.QUICK: Slots(SLOTS),
        Work.REMEMBERED: Slots(SLOTS),
        # most of the time they wait for each other's texts, and what waits is encoded together
        Work.ENCODING: Slots(2 * SLOTS, beside_others=SLOTS // 2),
        Work.UPKEEP: Slots(4, per_client=1),
        Work.HEAVY: Slots(2, per_client=1, most_waiting=16),
        Work.WAITING: Slots(48, per_client=24, most_waiting=0),
        Work.STREAM: Slots(96, per_client=32, most_waiting=0),
    }


def limit_concurrency(slots: Mapping[Work, Slots], table: Table) -> Middleware:
    """Return a middleware that has requests take turns, each kind in a line of its own.

    Searches take theirs by `search_place`, once it is known what they ask for.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        work = table.work(request)
        if work is Work.SEARCH:
            return await handler(request)
        async with _place(request, work, slots):
            return await handler(request)

    return middleware


def search_place(
    request: web.Request, slots: Mapping[Work, Slots], *, remembered: bool
) -> AbstractAsyncContextManager[None]:
    """Return a context in which a search has its place.

    Args:
        remembered: nothing has to be encoded for it, so it waits for none that do.
    """
    return _place(request, Work.REMEMBERED if remembered else Work.ENCODING, slots)


@contextlib.asynccontextmanager
async def _place(
    request: web.Request, work: Work, slots: Mapping[Work, Slots]
) -> AsyncIterator[None]:
    client = client_of(request)
    rest_s = _UPKEEP_REST_S if work is Work.UPKEEP else 0.0
    async with slots[work].slot(client, owner=client.is_owner, rest_s=rest_s):
        token = asker.set(Asker(client, client.is_owner, _RANKS.get(work, ORDINARY)))
        try:
            yield
        finally:
            asker.reset(token)
