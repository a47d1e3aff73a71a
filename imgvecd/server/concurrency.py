"""How many requests are answered at once, and whose turn it is next."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from imgvecd.core.slots import Slots
from imgvecd.core.threads import Asker, asker
from imgvecd.server.client_connection import client_of
from imgvecd.server.route import Table, Work

# More than there are threads to answer in would only queue there, where nobody takes turns.
SLOTS = 16


def slots_by_work() -> dict[Work, Slots]:
    """Return the lines in which requests wait: how many go on at once, and of one client.

    What looks at the whole library shares the processor with searches, so there is little of it;
    streams and waits cost a connection each, and leave most of those to others.
    """
    return {
        Work.QUICK: Slots(SLOTS),
        Work.HEAVY: Slots(2, per_client=1, most_waiting=16),
        Work.WAITING: Slots(48, per_client=24, most_waiting=0),
        Work.STREAM: Slots(96, per_client=32, most_waiting=0),
    }


def limit_concurrency(slots: Mapping[Work, Slots], table: Table) -> Middleware:
    """Return a middleware that has requests take turns, each kind in a line of its own."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        client = client_of(request)
        async with slots[table.work(request)].slot(client, owner=client.is_owner):
            token = asker.set(Asker(client, client.is_owner))
            try:
                return await handler(request)
            finally:
                asker.reset(token)

    return middleware
