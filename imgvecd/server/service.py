"""The seam between HTTP and the daemon: what the routes ask for, and nothing else."""

from __future__ import annotations

from typing import Protocol

from imgvecd import api
from imgvecd.core.timing.duration_histogram import DurationHistogram
from imgvecd.server.browsing_service import BrowsingService
from imgvecd.server.duplicates_service import DuplicatesService
from imgvecd.server.event_service import EventService
from imgvecd.server.metadata_service import MetadataService
from imgvecd.server.search_service import SearchService
from imgvecd.server.thumbnail_service import ThumbnailService


class Service(Protocol):
    """What a daemon does for its clients.

    Every method runs on the event loop, may be cancelled by a deadline or a client that left, and
    raises `ImgvecdError` for what a client should be told.
    """

    @property
    def duplicates(self) -> DuplicatesService:
        """What there is about duplicates."""
        ...

    @property
    def metadata(self) -> MetadataService:
        """What there is about what the user says of images."""
        ...

    @property
    def searching(self) -> SearchService:
        """What there is around searching."""
        ...

    @property
    def thumbnails(self) -> ThumbnailService:
        """What there is about thumbnails."""
        ...

    @property
    def browsing(self) -> BrowsingService:
        """What there is for those who look through the library."""
        ...

    @property
    def events(self) -> EventService:
        """What tells what goes on."""
        ...

    async def health(self) -> api.Health:
        """Return whether the daemon works; cheap."""
        ...

    async def status(self) -> api.Status:
        """Return what the daemon is doing."""
        ...

    async def stats(self) -> api.Stats:
        """Return what the library holds."""
        ...

    async def search(self, request: api.SearchRequest) -> api.SearchResponse:
        """Return the hits, best first."""
        ...

    async def images(self, after: int, limit: int, filters: api.Filters) -> api.ImageList:
        """Return up to `limit` images that pass, with ids above `after`, ascending."""
        ...

    async def image(self, image_id: int) -> api.Image:
        """Return one image.

        Raises:
            NotFoundError: no such id.
        """
        ...

    async def rescan(self, request: api.RescanRequest) -> api.Done:
        """Look for changes on disk."""
        ...

    async def sync(self, request: api.SyncRequest) -> api.Done:
        """Return when everything that was on disk at the call is searchable or has failed.

        Raises:
            NotInTimeError: not within the time given.
        """
        ...

    async def changes(self, since: str | None, limit: int) -> api.Changes:
        """Return what happened to files after a clock."""
        ...

    async def failures(self, after: int, limit: int) -> api.FailureList:
        """Return files that cannot be searched."""
        ...

    def encode_times(self) -> DurationHistogram | None:
        """Return how long batches took to encode with the serving model; None while none serves."""
        ...

    async def failure_reasons(self) -> dict[str, int]:
        """Return how many files cannot be searched, by reason."""
        ...

    async def retry(self) -> api.Done:
        """Try every failure again."""
        ...

    async def pause(self, request: api.PauseRequest) -> api.Pausing:
        """Have indexing rest."""
        ...

    async def resume(self, request: api.ResumeRequest) -> api.Pausing:
        """End a pause that was asked for, or whatever keeps indexing from going on."""
        ...

    async def doctor(self) -> api.Diagnosis:
        """Compare disk, catalog and index."""
        ...

    async def checkpoint(self) -> api.Done:
        """Write the index to disk."""
        ...

    async def rebuild(self) -> api.Done:
        """Build a new generation of the index from the catalog."""
        ...

    async def stop_move(self) -> api.Done:
        """Give up the move to another model; NotFoundError if there is none."""
        ...

    async def resume_move(self) -> api.Done:
        """Take up a move that was stopped; NotFoundError if there is none."""
        ...
