"""`Client`: a running daemon from Python, with the structs of `imgvecd.api`.

Light on purpose: neither numpy nor the model is needed to ask a daemon.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar, Unpack, overload

import msgspec

from imgvecd import api
from imgvecd.client.calls import DEFAULT_TIMEOUT_S, ApiCall, ApiStream
from imgvecd.client.daemon_address import daemon_address
from imgvecd.client.http_connection import DaemonConnection
from imgvecd.client.operations import duplicates as dedup_calls
from imgvecd.client.operations import images as image_calls
from imgvecd.client.operations import searches as search_calls
from imgvecd.client.operations import upkeep as daemon_calls
from imgvecd.client.operations.duplicates import Decision
from imgvecd.client.operations.images import WORLD
from imgvecd.client.options import ClassifyOptions, DuplicatesOptions, SearchOptions
from imgvecd.client.picture_terms import PictureQuery, picture_term, search_for

T = TypeVar("T")
Query = str | api.SearchRequest


class Client:
    """A daemon, asked from one thread; every method raises `ImgvecdError`.

    What the daemon answers with an error is a `DaemonError` with its `code`. One connection is
    kept; `close`, or the end of `with`, hangs up.

    Args:
        socket: its path; None finds it as `imgvec` does.
        tcp: "127.0.0.1:8765" instead, as in `server.tcp`.
        token: for `tcp`; None reads the configured `server.token_file`.
    """

    def __init__(
        self,
        socket: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        *,
        tcp: str | None = None,
        token: str | None = None,
    ) -> None:
        self._daemon = DaemonConnection(daemon_address(socket, tcp, token), timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; harmless when repeated, and the next call reconnects."""
        self._daemon.close()

    @overload
    def search(
        self, query: Query, *, image: PictureQuery | None = None, **options: Unpack[SearchOptions]
    ) -> api.SearchResponse: ...

    @overload
    def search(
        self, *, image: PictureQuery, **options: Unpack[SearchOptions]
    ) -> api.SearchResponse: ...

    def search(
        self,
        query: Query | None = None,
        *,
        image: PictureQuery | None = None,
        **options: Unpack[SearchOptions],
    ) -> api.SearchResponse:
        """Return a page of hits for a text, an image, or both together.

        Args:
            image: a path, URL, bytes, file object, Pillow image or numpy array; or a stored
                image's id; or an `api.Term`, which has a weight.
            options: further fields of `api.SearchRequest`.
        """
        return self._call(search_calls.search(search_for(query, image, options)))

    def hits(
        self,
        query: Query | None = None,
        *,
        image: PictureQuery | None = None,
        **options: Unpack[SearchOptions],
    ) -> Iterator[api.Hit]:
        """Yield every hit, asking for one page after the other; arguments as for `search`."""
        request = search_for(query, image, options)
        while True:
            page = self._call(search_calls.search(request))
            yield from page.hits
            if page.next_cursor is None:
                return
            request = msgspec.structs.replace(request, cursor=page.next_cursor)

    def watch(
        self,
        query: Query | None = None,
        *,
        image: PictureQuery | None = None,
        since: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> Iterator[api.Match]:
        """Yield every new image that matches, until the daemon stops; arguments as for `search`.

        Args:
            since: `since` of the last match, to go on after it; None begins now.
        """
        return self._stream(search_calls.watch(search_for(query, image, options), since))

    def save_search(
        self,
        name: str,
        query: Query | None = None,
        *,
        image: PictureQuery | None = None,
        **options: Unpack[SearchOptions],
    ) -> api.SavedSearch:
        """Keep a search under a name; other arguments as for `search`."""
        return self._call(search_calls.save_search(name, search_for(query, image, options)))

    def check_duplicate(self, image: PictureQuery) -> tuple[api.DuplicateFile, ...]:
        """Return the files of the library that are this picture."""
        return self._call(dedup_calls.check_duplicate(picture_term(image)))

    def search_many(self, queries: Sequence[Query]) -> tuple[api.SearchResponse, ...]:
        """Return the answers to many searches, whose texts are encoded together."""
        return self._call(
            search_calls.search_many([api.search_request(query, {}) for query in queries])
        )

    def saved_searches(self) -> tuple[api.SavedSearch, ...]:
        """Return the saved searches, by name."""
        return self._call(search_calls.saved_searches())

    def run_saved(self, name: str) -> api.SearchResponse:
        """Return a page of hits of a saved search."""
        return self._call(search_calls.run_saved(name))

    def drop_saved(self, name: str) -> tuple[api.SavedSearch, ...]:
        """Drop a saved search; return those that are left."""
        return self._call(search_calls.drop_saved(name))

    def classify(
        self, labels: Sequence[str], **options: Unpack[ClassifyOptions]
    ) -> api.ClassifyResponse:
        """Return stored images with the labels that fit best; options of `api.ClassifyRequest`."""
        return self._call(search_calls.classify(labels, options))

    def image(self, image_id: int) -> api.Image:
        """Return one stored image."""
        return self._call(image_calls.image(image_id))

    def images(
        self, after: int = -1, filters: api.Filters | None = None, order: api.ListOrder = "id"
    ) -> Iterator[api.Image]:
        """Yield every stored image that passes, in bounded memory; by id, those above `after`."""
        return self._stream(image_calls.images(after, filters, order))

    def lookup(self, ids: Sequence[int]) -> tuple[api.Image, ...]:
        """Return those of up to 1,000 stored images that there are, in this order."""
        return self._call(image_calls.lookup(ids))

    def timeline(self, filters: api.Filters | None = None) -> api.Timeline:
        """Return how many images were taken when, newest first."""
        return self._call(image_calls.timeline(filters))

    def month(
        self,
        month: str,
        filters: api.Filters | None = None,
        start: int = 0,
        limit: int = api.MOST_OF_MONTH,
    ) -> api.MonthImages:
        """Return the images of a month ("2023-05", "undated"), newest first, in columns.

        Args:
            start: how many of the first to leave out.
            limit: 1 to 100,000.
        """
        return self._call(image_calls.month(month, filters, start, limit))

    def facets(self, kind: api.FacetKind, contains: str = "", limit: int = 50) -> api.Facets:
        """Return the cameras, tags, people, places or folders that most images have."""
        return self._call(image_calls.facets(kind, contains, limit))

    def positions(
        self, box: tuple[float, float, float, float] = WORLD, columns: int = 32
    ) -> api.Clusters:
        """Return where images were taken, those of one cell of a grid over the box together.

        Args:
            box: south, west, north, east, in degrees.
        """
        return self._call(image_calls.positions(box, columns))

    def original(self, image_id: int) -> bytes:
        """Return the picture's file, byte for byte."""
        return self._call(image_calls.original(image_id))

    def film(self, image_id: int) -> bytes:
        """Return the film of a Live Photo."""
        return self._call(image_calls.film(image_id))

    def thumbnail(self, image_id: int, size: int = 256) -> bytes:
        """Return an image small, as a JPEG; `size` is 64, 128, 256, … or 4096 pixels."""
        return self._call(image_calls.thumbnail(image_id, size))

    def set_metadata(self, image_id: int, **changes: Any) -> api.Image:  # noqa: ANN401  # JSON values
        """Set some of what you say of an image, None taking a value away; return the image."""
        return self._call(image_calls.set_metadata(image_id, changes))

    def replace_metadata(self, image_id: int, values: Mapping[str, Any]) -> api.Image:
        """Replace all that you say of an image; return the image."""
        return self._call(image_calls.replace_metadata(image_id, values))

    def tag(
        self, ids: Sequence[int], add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> api.Done:
        """Add and remove tags of images."""
        return self._call(image_calls.tag(ids, add, remove))

    def duplicates(self, **options: Unpack[DuplicatesOptions]) -> api.Duplicates:
        """Return groups of files that are the same picture, or nearly."""
        return self._call(dedup_calls.duplicates(options))

    def plan_dedup(self, **options: Unpack[DuplicatesOptions]) -> api.DedupPlan:
        """Return which duplicates could go to the trash; nothing moves."""
        return self._call(dedup_calls.plan_dedup(options))

    def apply_dedup(self, plan: str) -> api.DedupDone:
        """Move the files of a plan, the text perhaps edited, to the trash."""
        return self._call(dedup_calls.apply_dedup(plan))

    def undo_dedup(self, name: str | None = None) -> api.DedupDone:
        """Put back what a plan moved; without a name, the last one."""
        return self._call(dedup_calls.undo_dedup(name))

    def decide_duplicates(self, hashes: Sequence[str], decision: Decision) -> api.Done:
        """Record what images are to each other; a hash twice means the copies of one."""
        return self._call(dedup_calls.decide_duplicates(hashes, decision))

    def status(self) -> api.Status:
        """Return what the daemon is doing."""
        return self._call(daemon_calls.status())

    def health(self) -> api.Health:
        """Return whether the daemon works, or why it does not."""
        return self._call(daemon_calls.health())

    def stats(self) -> api.Stats:
        """Return what the library holds."""
        return self._call(daemon_calls.stats())

    def metrics(self) -> str:
        """Return figures for monitoring, as Prometheus reads them."""
        return self._call(daemon_calls.metrics())

    def openapi(self) -> bytes:
        """Return the description of the API as JSON."""
        return self._call(daemon_calls.openapi())

    def events(self, last_id: str | None = None) -> Iterator[api.Event]:
        """Yield what happens in the daemon, until it stops; the state comes first.

        Args:
            last_id: `id` of the last event heard, to go on after it.
        """
        return self._stream(daemon_calls.daemon_events(last_id))

    def failures(self) -> Iterator[api.Failure]:
        """Yield every file that cannot be searched."""
        return self._stream(daemon_calls.failures())

    def changes(self, since: str | None = None) -> Iterator[api.Changes]:
        """Yield what happened to files after a clock, page by page; `clock` of the last goes on."""
        return self._stream(daemon_calls.changes(since))

    def sync(self, timeout_s: float = 30.0) -> str:
        """Return the clock once all that is on disk now can be found.

        Raises:
            DaemonError: with code "not_in_time".
        """
        return self._call(daemon_calls.sync(timeout_s))

    def rescan(self, folder: str | os.PathLike[str] | None = None) -> str:
        """Have everything, or one folder, compared with the disk; return the clock.

        Raises:
            DaemonError: with code "not_found": the folder lies in none of the watched ones.
        """
        return self._call(daemon_calls.rescan(folder))

    def retry(self) -> api.Done:
        """Have every failure tried again."""
        return self._call(daemon_calls.retry())

    def pause(self, for_s: float | None = None) -> api.Pause | None:
        """Have indexing rest, for so long or until it is resumed; return why it rests now."""
        return self._call(daemon_calls.pause(for_s))

    def resume(self, *, force: bool = False) -> api.Pause | None:
        """Resume indexing; return why it still rests, if it does.

        Args:
            force: whatever the cause, until that cause ends.
        """
        return self._call(daemon_calls.resume(force=force))

    def forget(self, older_than_s: float | None = None) -> api.Forgotten:
        """Forget pictures gone for that long, and texts not asked for that long.

        Args:
            older_than_s: None takes `catalog.keep_days` of the daemon's configuration.
        """
        return self._call(daemon_calls.forget(older_than_s))

    def doctor(self, patience_s: float = 3600.0) -> api.Diagnosis:
        """Return how disk, catalog and index compare, file by file.

        Args:
            patience_s: a million files on a slow disk take a while.
        """
        return self._call(daemon_calls.doctor(patience_s))

    def checkpoint(self) -> api.Done:
        """Have the index written to disk."""
        return self._call(daemon_calls.checkpoint())

    def rebuild(self) -> api.Done:
        """Rebuild the index from the catalog; encodes nothing."""
        return self._call(daemon_calls.rebuild())

    def stop_move(self) -> api.Done:
        """Stop moving to another model; keeps what is encoded already."""
        return self._call(daemon_calls.stop_move())

    def resume_move(self) -> api.Done:
        """Have a move that was stopped taken up."""
        return self._call(daemon_calls.resume_move())

    def _call(self, call: ApiCall[T]) -> T:
        return self._daemon.call(call)

    def _stream(self, stream: ApiStream[T]) -> Iterator[T]:
        return self._daemon.stream(stream)
