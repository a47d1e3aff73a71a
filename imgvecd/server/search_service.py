"""The seam for everything around searching: batches, standing and saved searches, labels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from imgvecd import api


class SearchService(Protocol):
    """See `service.Service` for what holds for every method."""

    async def batch(self, request: api.SearchBatch) -> api.SearchBatchResponse:
        """Return the answers to many searches."""
        ...

    async def listen(
        self, request: api.SearchRequest, since: str | None
    ) -> tuple[str, AsyncIterator[api.Match | None]]:
        """Return (where it begins, new images that match, without end; None as a heartbeat)."""
        ...

    async def saved(self) -> api.SavedSearches:
        """Return the searches that have a name."""
        ...

    async def save(self, search: api.SavedSearch) -> api.SavedSearch:
        """Keep a search under its name."""
        ...

    async def forget(self, name: str) -> api.SavedSearches:
        """Drop a saved search; return those that are left.

        Raises:
            NotFoundError: there is none of this name.
        """
        ...

    async def run_saved(self, name: str) -> api.SearchResponse:
        """Return the hits of a saved search.

        Raises:
            NotFoundError: there is none of this name.
        """
        ...

    async def classify(self, request: api.ClassifyRequest) -> api.ClassifyResponse:
        """Return images with the labels that fit them best."""
        ...
