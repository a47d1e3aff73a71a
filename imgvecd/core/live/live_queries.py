"""Standing queries: told once of every new image that matches, across reconnects."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from imgvecd.api import Match, SearchRequest, clock_text
from imgvecd.core.search.query import Query
from imgvecd.core.search.searcher import Searcher
from imgvecd.core.slots import Slots
from imgvecd.core.threads import INTERACTIVE, asker
from imgvecd.errors import BadRequestError
from imgvecd.protocols import EmbeddingSource, SearchStore

Position = tuple[int, int]
"""(clock, content id) of the last image looked at."""

HEARTBEAT_S = 15.0
"""A listener hears something at least so often, which is how it is noticed that one has left."""

_BATCH = 256  # images looked at together
# A new image wakes every query. They look one after the other, each so many times as long after the
# one before as that took: together they have an eighth of the interpreter, and searches the rest.
_RESTS = 7
_LONGEST_REST_S = 1.0
# Queries that begin at once are made ready one after the other, those of each client, with rests
# likewise; a client whose image is slow to fetch keeps none of the others waiting.
_MADE_READY_AT_ONCE = 4
_LONGEST_REST_AT_BEGIN_S = 0.1
_ALL = 2**62  # above every content id
# c:<instance>:<clock>, and within a clock .<content id>
_SINCE = re.compile(r"c:(\w+):(\d{1,18})(?:\.(\d{1,18}))?")


Prepared = tuple[Searcher, Query]
"""What is looked for, as this searcher understands it."""


class LiveQueries:
    """Follows what is encoded for as long as somebody listens. For one event loop.

    Args:
        current: returns the searcher that answers now; another one after a change of models.
    """

    def __init__(
        self,
        current: Callable[[], Awaitable[Searcher]],
        store: SearchStore,
        embeddings: EmbeddingSource,
    ) -> None:
        self._current = current
        self._store = store
        self._embeddings = embeddings
        self._instance = embeddings.instance()
        self._turn = asyncio.Lock()
        self._next_turn = 0.0  # by the event loop's clock
        self._made_ready = Slots(_MADE_READY_AT_ONCE, per_client=1)

    def position(self, since: str | None) -> Position:
        """Return where to go on; from now on without `since`.

        Raises:
            BadRequestError: `since` is not a clock of this catalog.
        """
        if since is None:
            return self._embeddings.clock(), _ALL
        match = _SINCE.fullmatch(since)
        if match is None or match[1] != self._instance:
            raise BadRequestError(f"`since` is not a clock of this library: {since!r}")
        return int(match[2]), int(match[3]) if match[3] else _ALL

    def name(self, position: Position) -> str:
        """Return the text that `position` reads."""
        clock, identity = position
        inside = "" if identity == _ALL else f".{identity}"
        return clock_text(self._instance, clock) + inside

    async def make_ready(self, searcher: Searcher, request: SearchRequest) -> Prepared:
        """Return what is looked for, encoded. Queries of one client wait for each other.

        Raises:
            ImgvecdError: as for `Searcher.search`.
        """
        request = _told_of(request)
        who = asker.get()
        client = None if who is None else who.client
        await self._made_ready.take(client, owner=who is None or who.is_owner)
        rest_s = 0.0
        try:
            loop = asyncio.get_running_loop()
            began = loop.time()
            query = await searcher.prepare(request)
            rest_s = min(_RESTS * (loop.time() - began), _LONGEST_REST_AT_BEGIN_S)
            return searcher, query
        finally:
            self._made_ready.give_back(client, rest_s)

    async def matches(
        self, request: SearchRequest, position: Position, prepared: Prepared | None = None
    ) -> AsyncIterator[Match | None]:
        """Yield what is new after `position`, oldest first, without end; None as a heartbeat.

        What is looked for is encoded once, and again after a change of models. Unless the request
        names a band or a relevance, only what is found is told.

        Args:
            prepared: what `make_ready` returned.

        Raises:
            ImgvecdError: as for `Searcher.search`.
        """
        while True:
            searcher = await self._current()
            seen = searcher.library_changed.count
            async with self._look():
                new = await INTERACTIVE.run(
                    self._store.new_embeddings, searcher.model.fingerprint, position, _BATCH
                )
            if new:
                fresh = prepared is None or prepared[0] is not searcher
                if prepared is None or fresh:  # out of turn: a model may have to be loaded
                    prepared = searcher, await searcher.prepare(_told_of(request))
                ids = [identity for _, identity in new]
                async with self._look():
                    query = prepared[1] if fresh else await searcher.renewed(prepared[1])
                    hits = await INTERACTIVE.run(searcher.answers.hits_among, query, ids)
                for clock, identity in new:
                    if identity in hits:
                        yield Match(hit=hits[identity], since=self.name((clock, identity)))
                position = new[-1]
            elif not await searcher.library_changed.wait(seen, HEARTBEAT_S):
                yield None

    @contextlib.asynccontextmanager
    async def _look(self) -> AsyncIterator[None]:
        """Hold the turn to look, once the rest after the one before is over."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            await asyncio.sleep(self._next_turn - loop.time())
            began = loop.time()
            try:
                yield
            finally:
                ended = loop.time()
                self._next_turn = ended + min(_RESTS * (ended - began), _LONGEST_REST_S)


def _told_of(request: SearchRequest) -> SearchRequest:
    """Return the request as it is looked for: only what is found, unless it says otherwise."""
    if request.least_band() == "weaker" and request.min_band is None:
        return msgspec.structs.replace(request, min_band="found")
    return request
