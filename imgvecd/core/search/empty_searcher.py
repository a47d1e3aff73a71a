"""Answers for a library without a single image, so that nobody waits for a model to say so."""

from __future__ import annotations

from collections.abc import Sequence

from imgvecd.api import SearchRequest, SearchResponse


class EmptySearcher:
    """Finds nothing, at once.

    Args:
        model: the name of the one that is being loaded.
        clock: of the catalog.
    """

    def __init__(self, model: str, clock: str) -> None:
        self._answer = SearchResponse(hits=(), searched=0, clock=clock, took_ms=0.0, model=model)

    async def search(self, request: SearchRequest) -> SearchResponse:
        """Return no hits, of no images."""
        del request
        return self._answer

    async def search_many(self, requests: Sequence[SearchRequest]) -> tuple[SearchResponse, ...]:
        """Return no hits for each request."""
        return tuple(self._answer for _ in requests)
