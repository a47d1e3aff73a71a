"""Batches, live and saved searches, labels: implements `SearchService`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from imgvecd import api
from imgvecd.core.live.live_queries import LiveQueries
from imgvecd.core.search import EmptySearcher, Labeller, Searcher
from imgvecd.core.threads import INTERACTIVE
from imgvecd.errors import BadRequestError, NotFoundError
from imgvecd.protocols import SavedSearchStore
from imgvecd.spelling import composed

_LONGEST_NAME = 100  # characters; it is part of a URL


class DaemonSearching:
    """Answers with the searcher that is current. For its event loop.

    Args:
        current: returns the searcher, or raises ModelError while there is none.
        search: returns the answer to one search.
        is_indexing: whether photos wait to be indexed.
    """

    def __init__(
        self,
        current: Callable[[], Awaitable[Searcher | EmptySearcher]],
        search: Callable[[api.SearchRequest], Awaitable[api.SearchResponse]],
        is_indexing: Callable[[], bool],
        live_queries: LiveQueries,
        saved: SavedSearchStore,
        labeller: Labeller,
    ) -> None:
        self._current = current
        self._search = search
        self._is_indexing = is_indexing
        self._live_queries = live_queries
        self._saved = saved
        self._labeller = labeller

    async def batch(self, request: api.SearchBatch) -> api.SearchBatchResponse:
        """Return the answers to many searches."""
        answers = await (await self._current()).search_many(request.searches)
        indexing = self._is_indexing()
        told = [msgspec.structs.replace(answer, indexing=indexing) for answer in answers]
        return api.SearchBatchResponse(answers=tuple(told))

    async def listen(
        self, request: api.SearchRequest, since: str | None
    ) -> tuple[str, AsyncIterator[api.Match | None]]:
        """Return (where it begins, new images that match, without end; None as a heartbeat)."""
        searcher = await self._current()
        live, prepared = self._live_queries, None
        if isinstance(searcher, Searcher):
            prepared = await live.make_ready(searcher, request)  # what is wrong with it is told now
        position = await INTERACTIVE.run(live.position, since)
        return live.name(position), live.matches(request, position, prepared)

    async def saved(self) -> api.SavedSearches:
        """Return the searches that have a name."""
        return api.SavedSearches(saved=tuple(await INTERACTIVE.run(self._saved.saved)))

    async def save(self, search: api.SavedSearch) -> api.SavedSearch:
        """Keep a search under its name.

        Raises:
            BadRequestError: the name is too long or cannot be shown.
        """
        if len(search.name) > _LONGEST_NAME or not search.name.isprintable():
            raise BadRequestError(f"a name is at most {_LONGEST_NAME} printable characters")
        await INTERACTIVE.run(self._saved.save, search)
        return search

    async def forget(self, name: str) -> api.SavedSearches:
        """Drop a saved search; return those that are left."""
        await INTERACTIVE.run(self._saved.forget, name)
        return await self.saved()

    async def run_saved(self, name: str) -> api.SearchResponse:
        """Return the hits of a saved search."""
        for saved in (await self.saved()).saved:
            if composed(saved.name) == composed(name):
                return await self._search(saved.search)
        raise NotFoundError(f"there is no saved search {name!r}")

    async def classify(self, request: api.ClassifyRequest) -> api.ClassifyResponse:
        """Return images with the labels that fit them best."""
        searcher = await self._current()
        if isinstance(searcher, EmptySearcher):
            return api.ClassifyResponse(images=())
        return await self._labeller.classify(searcher, request)
