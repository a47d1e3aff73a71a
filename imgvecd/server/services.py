"""The seam between HTTP and the daemon: what the routes ask for, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Protocol

from imgvecd import api
from imgvecd.core.library.originals import Original
from imgvecd.core.library.thumbnails import ThumbnailSource
from imgvecd.core.timing.duration_histogram import DurationHistogram


class BrowsingService(Protocol):
    """Lists and counts images, and hands out their files. See `server.service.Service`."""

    async def clock(self) -> str:
        """Return the catalog's clock: what was answered at the same one holds still."""
        ...

    async def timeline(self, filters: api.Filters) -> api.Timeline:
        """Return how many images were taken when, and their shapes."""
        ...

    async def month(
        self, month: str, filters: api.Filters, start: int, limit: int
    ) -> api.MonthImages:
        """Return up to `limit` images of one month after `start`; NotFoundError if it is none."""
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


class DuplicatesService(Protocol):
    """What a daemon does about duplicates; see `Service`."""

    async def find(self, request: api.DuplicatesRequest) -> api.Duplicates:
        """Return the groups; the first time every picture is looked at, which takes long."""
        ...

    async def check(self, image: api.Term) -> api.DuplicateMatches:
        """Return the files that are the given picture already."""
        ...

    async def plan(self, request: api.DuplicatesRequest) -> api.DedupPlan:
        """Return which files could go to the trash; without kinds, of what is the same picture."""
        ...

    async def apply(self, request: api.DedupApplyRequest) -> api.DedupDone:
        """Move a plan's files to the trash, each after another look at one that stays."""
        ...

    async def undo(self, request: api.DedupUndoRequest) -> api.DedupDone:
        """Put back what a plan moved."""
        ...

    async def decide(self, decision: api.DuplicateDecision) -> api.Done:
        """Record a decision about images permanently."""
        ...


class EventService(Protocol):
    """What tells clients what goes on."""

    def listen(self, last_id: str | None) -> AsyncGenerator[api.Event | None, None]:
        """Yield what happens after the event `last_id`, without end; None as a heartbeat.

        The state comes first where that event is not remembered, or there is none.
        """
        ...


class MetadataService(Protocol):
    """What a daemon keeps for the user; see `Service`.

    Every method raises NotFoundError for an image that does not exist, and BadRequestError for
    values that cannot be kept.
    """

    async def replace(self, image_id: int, values: dict[str, Any]) -> api.Image:
        """Replace everything that the user says of an image."""
        ...

    async def change(self, image_id: int, changes: dict[str, Any]) -> api.Image:
        """Set some of what the user says of an image; None takes a value away."""
        ...

    async def tag(self, request: api.TagRequest) -> api.Done:
        """Add and remove tags of images; of all, or of none if one does not exist."""
        ...


class SearchService(Protocol):
    """See `Service` for what holds for every method."""

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


class ThumbnailService(Protocol):
    """See `core.library.thumbnails.Thumbnails`, which is the real one."""

    async def find(self, content_id: int, size: int) -> ThumbnailSource:
        """Return what names the thumbnail, without making it."""
        ...

    async def picture(self, wanted: ThumbnailSource) -> bytes:
        """Return the thumbnail, a JPEG."""
        ...


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

    def kept(self, request: api.SearchRequest) -> api.SearchResponse | None:
        """Return the answer that was given before, if it still is the answer; at once."""
        ...

    def remembers(self, request: api.SearchRequest) -> bool:
        """Return whether nothing has to be encoded for a search, as far as can be told at once."""
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

    async def forget(self, request: api.ForgetRequest) -> api.Forgotten:
        """Forget what is of no use any more."""
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
        """Stop moving to another model; NotFoundError if there is none."""
        ...

    async def resume_move(self) -> api.Done:
        """Resume a move that was stopped; NotFoundError if there is none."""
        ...
