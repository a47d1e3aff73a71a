"""Standing queries that begin at once."""

import asyncio
import collections

from running import eventually

from imgvecd.api import SearchRequest
from imgvecd.core.live.live_queries import LiveQueries
from imgvecd.core.threads import Asker, asker


class Embeddings:
    def instance(self):
        return "0"


class Searcher:
    """Makes nothing ready until it is told to, and knows how much it has been asked for."""

    def __init__(self):
        self.go_on = collections.defaultdict(asyncio.Event)
        self.under_way = collections.Counter()
        self.most = collections.Counter()
        self.ready = collections.Counter()

    async def prepare(self, request):
        client = request.text
        self.under_way[client] += 1
        self.most[client] = max(self.most[client], self.under_way[client])
        await self.go_on[client].wait()
        self.under_way[client] -= 1
        self.ready[client] += 1
        return request


async def begin(live, searcher, client, count):
    asker.set(Asker(client, is_owner=client != "another"))
    request = SearchRequest(text=client)
    return [asyncio.create_task(live.make_ready(searcher, request)) for _ in range(count)]


async def test_those_of_a_client_are_made_ready_one_after_the_other():
    live, searcher = LiveQueries(None, None, Embeddings()), Searcher()
    for client in ("one", "two"):
        searcher.go_on[client].set()
    tasks = [task for client in ("one", "two") for task in await begin(live, searcher, client, 5)]
    await asyncio.gather(*tasks)
    assert searcher.most == {"one": 1, "two": 1}


async def test_one_whose_picture_is_slow_to_come_keeps_no_other_client_waiting():
    live, searcher = LiveQueries(None, None, Embeddings()), Searcher()
    slow = await begin(live, searcher, "slow", 8)
    await eventually(lambda: searcher.under_way["slow"] == 1)
    for client in ("another", "quick"):
        searcher.go_on[client].set()
        await asyncio.gather(*await begin(live, searcher, client, 2))
    assert searcher.most == {"slow": 1, "another": 1, "quick": 1}
    searcher.go_on["slow"].set()
    await asyncio.gather(*slow)


async def test_one_that_leaves_or_fails_makes_room_for_the_next():
    live, searcher = LiveQueries(None, None, Embeddings()), Searcher()
    first, second, third = await begin(live, searcher, "one", 3)
    await eventually(lambda: searcher.under_way["one"] == 1)
    second.cancel()
    first.cancel()
    searcher.go_on["one"].set()
    await third
    assert searcher.ready["one"] == 1
