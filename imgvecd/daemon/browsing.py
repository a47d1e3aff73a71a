"""Looking through the library, for clients: implements `BrowsingService`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from imgvecd import api
from imgvecd.asked_files import asked_first
from imgvecd.core.library.originals import Original, Originals
from imgvecd.core.search import FilterIds
from imgvecd.core.threads import INTERACTIVE
from imgvecd.protocols import EmbeddingSource, ImageStore
from imgvecd.types import Int64Array


class TimelineStore(Protocol):
    """Images in the order in which they were taken. Thread-safe."""

    def timeline(self, allowed: Int64Array | None, clock: str) -> api.Timeline:
        """Return how many images each month has, and their shapes."""
        ...

    def month(
        self, month: str, allowed: Int64Array | None, clock: str, start: int, limit: int
    ) -> api.MonthImages:
        """Return the images of a part of one month."""
        ...

    def page(
        self, order: api.ListOrder, cursor: str | None, limit: int, allowed: Int64Array | None
    ) -> tuple[list[int], str | None]:
        """Return (ids in an order, the cursor of the next page)."""
        ...


class FacetStore(Protocol):
    """What images have in common. Thread-safe."""

    def facets(self, kind: api.FacetKind, contains: str, limit: int) -> list[api.Facet]:
        """Return the values that most images have."""
        ...

    def clusters(self, box: tuple[float, float, float, float], columns: int) -> api.Clusters:
        """Return where images were taken."""
        ...


class DaemonBrowsing:
    """Answers from the catalog. For one event loop.

    Args:
        fingerprint: of the model that answers; None while there is none.
    """

    def __init__(
        self,
        image_store: ImageStore,
        embeddings: EmbeddingSource,
        timeline: TimelineStore,
        facets: FacetStore,
        originals: Originals,
        allowed: FilterIds,
        fingerprint: Callable[[], str | None],
    ) -> None:
        self._image_store = image_store
        self._embeddings = embeddings
        self._timeline = timeline
        self._facets = facets
        self._originals = originals
        self._allowed = allowed
        self._fingerprint = fingerprint
        self._instance = embeddings.instance()
        self._last: api.Timeline | None = None  # of everything: a byte an image

    async def clock(self) -> str:
        """Return the catalog's clock."""
        return api.clock_text(self._instance, await INTERACTIVE.run(self._embeddings.clock))

    async def timeline(self, filters: api.Filters) -> api.Timeline:
        """Return how many images were taken when, and their shapes."""

        def read() -> api.Timeline:
            clock = self._embeddings.clock()
            told = api.clock_text(self._instance, clock)
            allowed = self._allowed.ids(filters, clock)
            if allowed is not None:
                return self._timeline.timeline(allowed, told)
            last = self._last
            if last is None or last.clock != told:
                last = self._last = self._timeline.timeline(None, told)
            return last

        return await INTERACTIVE.run(read)

    async def month(
        self, month: str, filters: api.Filters, start: int, limit: int
    ) -> api.MonthImages:
        """Return the images of a part of one month."""

        def read() -> api.MonthImages:
            clock = self._embeddings.clock()
            told = api.clock_text(self._instance, clock)
            allowed = self._allowed.ids(filters, clock)
            return self._timeline.month(month, allowed, told, start, limit)

        return await INTERACTIVE.run(read)

    async def listing(
        self, order: api.ListOrder, cursor: str | None, limit: int, filters: api.Filters
    ) -> api.ImageList:
        """Return a page of images in an order."""
        fingerprint = self._fingerprint()

        def read() -> api.ImageList:
            allowed = self._allowed.ids(filters, self._embeddings.clock())
            ids, following = self._timeline.page(order, cursor, limit, allowed)
            found = self._image_store.images(ids, fingerprint)
            page = tuple(asked_first(found[one], filters) for one in ids if one in found)
            return api.ImageList(images=page, next_cursor=following)

        return await INTERACTIVE.run(read)

    async def lookup(self, request: api.LookupRequest) -> api.ImageList:
        """Return those of the images that there are."""
        found = await INTERACTIVE.run(self._image_store.images, request.ids, self._fingerprint())
        return api.ImageList(
            images=tuple(found[i] for i in dict.fromkeys(request.ids) if i in found)
        )

    async def facets(self, kind: api.FacetKind, contains: str, limit: int) -> api.Facets:
        """Return the values that most images have."""
        found = await INTERACTIVE.run(self._facets.facets, kind, contains, limit)
        return api.Facets(kind=kind, values=tuple(found))

    async def positions(self, box: tuple[float, float, float, float], columns: int) -> api.Clusters:
        """Return where images were taken."""
        return await INTERACTIVE.run(self._facets.clusters, box, columns)

    async def original(self, image_id: int) -> Original:
        """Open a file that bears the image."""
        return await INTERACTIVE.run(self._originals.original, image_id)

    async def film(self, image_id: int) -> Original:
        """Open the film that belongs to the image."""
        return await INTERACTIVE.run(self._originals.film, image_id)
