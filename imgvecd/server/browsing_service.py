"""The seam for whoever looks through the library rather than searches it."""

from __future__ import annotations

from typing import Protocol

from imgvecd import api
from imgvecd.core.library.originals import Original


class BrowsingService(Protocol):
    """Lists and counts images, and hands out their files. See `server.service.Service`."""

    async def clock(self) -> str:
        """Return the catalog's clock: what was answered at the same one holds still."""
        ...

    async def timeline(self, filters: api.Filters) -> api.Timeline:
        """Return how many images were taken when, and their shapes."""
        ...

    async def month(self, month: str, filters: api.Filters) -> api.MonthImages:
        """Return the images of one month; NotFoundError if it is none."""
        ...

    async def listing(
        self, order: api.ListOrder, cursor: str | None, limit: int, filters: api.Filters
    ) -> api.ImageList:
        """Return a page of images in an order."""
        ...

    async def lookup(self, request: api.LookupRequest) -> api.ImageList:
        """Return those of the images that there are, in the request's order."""
        ...

    async def facets(self, kind: api.FacetKind, contains: str, limit: int) -> api.Facets:
        """Return the values that most images have."""
        ...

    async def positions(self, box: tuple[float, float, float, float], columns: int) -> api.Clusters:
        """Return where images were taken; the box is south, west, north, east."""
        ...

    async def original(self, image_id: int) -> Original:
        """Open a file that bears the image; the caller closes it.

        Raises:
            NotFoundError: there is none, or it is of a kind that is not handed out.
            OfflineError: none can be reached.
        """
        ...

    async def film(self, image_id: int) -> Original:
        """Open the film of a Live Photo; errors as for `original`."""
        ...
