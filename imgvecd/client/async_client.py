"""`AsyncClient`: a running daemon from an event loop; what it asks is what `Client` asks."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar, Unpack, overload

import msgspec

from imgvecd import api
from imgvecd.client.async_connection import AsyncDaemonConnection
from imgvecd.client.calls import DEFAULT_TIMEOUT_S, ApiCall, ApiStream
from imgvecd.client.daemon_address import daemon_address
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


def _make_reading() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, "imgvecd-pictures")  # the default one is the program's


def _after_fork() -> None:
    global _reading  # noqa: PLW0603  # its threads are the other process's
    _reading = _make_reading()


_reading = _make_reading()
os.register_at_fork(after_in_child=_after_fork)


class AsyncClient:
    """A daemon, asked from an event loop, many times at once; otherwise like `Client`.

    Within `async with` connections are kept from one question to the next; without it they end
    with the last question that is under way. One event loop at a time.

    Args: as for `Client`.
    """

    def __init__(
        self,
        socket: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        *,
        tcp: str | None = None,
        token: str | None = None,
    ) -> None:
        self._daemon = AsyncDaemonConnection(daemon_address(socket, tcp, token), timeout_s)

    async def __aenter__(self) -> Self:
        self._daemon.keep()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; harmless when repeated, and the next call reconnects."""
        await self._daemon.close()

    @overload
    async def search(
        self, query: Query, *, image: PictureQuery | None = None, **options: Unpack[SearchOptions]
    ) -> api.SearchResponse: ...

    @overload
    async def search(
        self, *, image: PictureQuery, **options: Unpack[SearchOptions]
    ) -> api.SearchResponse: ...

    async def search(
        self,
        query: Query | None = None,
        *,
        image: PictureQuery | None = None,
        **options: Unpack[SearchOptions],
    ) -> api.SearchResponse:
        """Return a page of hits for a text, an image, or both; see `Client.search`."""
        return await self._call(search_calls.search(await _request(query, image, options)))

    async def hits(
        self,
        query: Query | None = None,
        *,
        image: PictureQuery | None = None,
        **options: Unpack[SearchOptions],
    ) -> AsyncGenerator[api.Hit, None]:
        """Yield every hit, asking for one page after the other; arguments as for `search`."""
        request = await _request(query, image, options)
        while True:
            page = await self._call(search_calls.search(request))
            for hit in page.hits:
                yield hit
            if page.next_cursor is None:
                return
            request = msgspec.structs.replace(request, cursor=page.next_cursor)

    async def watch(
        self,
        query: Query | None = None,
        *,
        image: PictureQuery | None = None,
        since: str | None = None,
        **options: Unpack[SearchOptions],
    ) -> AsyncGenerator[api.Match, None]:
        """Yield every new image that matches, until the daemon stops; see `Client.watch`."""
        request = await _request(query, image, options)
        async with contextlib.aclosing(self._stream(search_calls.watch(request, since))) as found:
            async for match in found:
                yield match

    async def save_search(
        self,
        name: str,
        query: Query | None = None,
        *,
        image: PictureQuery | None = None,
        **options: Unpack[SearchOptions],
    ) -> api.SavedSearch:
        """Keep a search under a name; other arguments as for `search`."""
        request = await _request(query, image, options)
        return await self._call(search_calls.save_search(name, request))

    async def check_duplicate(self, image: PictureQuery) -> tuple[api.DuplicateFile, ...]:
        """Return the files of the library that are this picture."""
        term = await asyncio.wrap_future(_reading.submit(picture_term, image))
        return await self._call(dedup_calls.check_duplicate(term))

    async def search_many(self, queries: Sequence[Query]) -> tuple[api.SearchResponse, ...]:
        """Return the answers to many searches, whose texts are encoded together."""
        return await self._call(
            search_calls.search_many([api.search_request(query, {}) for query in queries])
        )

    async def saved_searches(self) -> tuple[api.SavedSearch, ...]:
        """Return the saved searches, by name."""
        return await self._call(search_calls.saved_searches())

    async def run_saved(self, name: str) -> api.SearchResponse:
        """Return a page of hits of a saved search."""
        return await self._call(search_calls.run_saved(name))

    async def drop_saved(self, name: str) -> tuple[api.SavedSearch, ...]:
        """Drop a saved search; return those that are left."""
        return await self._call(search_calls.drop_saved(name))

    async def classify(
        self, labels: Sequence[str], **options: Unpack[ClassifyOptions]
    ) -> api.ClassifyResponse:
        """Return stored images with the labels that fit best; options of `api.ClassifyRequest`."""
        return await self._call(search_calls.classify(labels, options))

    async def image(self, image_id: int) -> api.Image:
        """Return one stored image."""
        return await self._call(image_calls.image(image_id))

    def images(
        self, after: int = -1, filters: api.Filters | None = None, order: api.ListOrder = "id"
    ) -> AsyncGenerator[api.Image, None]:
        """Yield every stored image that passes, in bounded memory; by id, those above `after`."""
        return self._stream(image_calls.images(after, filters, order))

    async def lookup(self, ids: Sequence[int]) -> tuple[api.Image, ...]:
        """Return those of up to 1,000 stored images that there are, in this order."""
        return await self._call(image_calls.lookup(ids))

    async def timeline(self, filters: api.Filters | None = None) -> api.Timeline:
        """Return how many images were taken when, newest first."""
        return await self._call(image_calls.timeline(filters))

    async def month(
        self,
        month: str,
        filters: api.Filters | None = None,
        start: int = 0,
        limit: int = api.MOST_OF_MONTH,
    ) -> api.MonthImages:
        """Return the images of a month, newest first, in columns; see `Client.month`."""
        return await self._call(image_calls.month(month, filters, start, limit))

    async def facets(self, kind: api.FacetKind, contains: str = "", limit: int = 50) -> api.Facets:
        """Return the cameras, tags, people, places or folders that most images have."""
        return await self._call(image_calls.facets(kind, contains, limit))

    async def positions(
        self, box: tuple[float, float, float, float] = WORLD, columns: int = 32
    ) -> api.Clusters:
        """Return where images were taken, by cells of a grid; see `Client.positions`."""
        return await self._call(image_calls.positions(box, columns))

    async def original(self, image_id: int) -> bytes:
        """Return the picture's file, byte for byte."""
        return await self._call(image_calls.original(image_id))

    async def film(self, image_id: int) -> bytes:
        """Return the film of a Live Photo."""
        return await self._call(image_calls.film(image_id))

    async def thumbnail(self, image_id: int, size: int = 256) -> bytes:
        """Return an image small, as a JPEG; `size` is 64, 128, 256, … or 4096 pixels."""
        return await self._call(image_calls.thumbnail(image_id, size))

    async def set_metadata(self, image_id: int, **changes: Any) -> api.Image:  # noqa: ANN401  # JSON values
        """Set some of what you say of an image, None taking a value away; return the image."""
        return await self._call(image_calls.set_metadata(image_id, changes))

    async def replace_metadata(self, image_id: int, values: Mapping[str, Any]) -> api.Image:
        """Replace all that you say of an image; return the image."""
        return await self._call(image_calls.replace_metadata(image_id, values))

    async def tag(
        self, ids: Sequence[int], add: Sequence[str] = (), remove: Sequence[str] = ()
    ) -> api.Done:
        """Add and remove tags of images."""
        return await self._call(image_calls.tag(ids, add, remove))

    async def duplicates(self, **options: Unpack[DuplicatesOptions]) -> api.Duplicates:
        """Return groups of files that are the same picture, or nearly."""
        return await self._call(dedup_calls.duplicates(options))

    async def plan_dedup(self, **options: Unpack[DuplicatesOptions]) -> api.DedupPlan:
        """Return which duplicates could go to the trash; nothing moves."""
        return await self._call(dedup_calls.plan_dedup(options))

    async def apply_dedup(self, plan: str) -> api.DedupDone:
        """Move the files of a plan, the text perhaps edited, to the trash."""
        return await self._call(dedup_calls.apply_dedup(plan))

    async def undo_dedup(self, name: str | None = None) -> api.DedupDone:
        """Put back what a plan moved; without a name, the last one."""
        return await self._call(dedup_calls.undo_dedup(name))

    async def decide_duplicates(self, hashes: Sequence[str], decision: Decision) -> api.Done:
        """Record what images are to each other; a hash twice means the copies of one."""
        return await self._call(dedup_calls.decide_duplicates(hashes, decision))

    async def status(self) -> api.Status:
        """Return what the daemon is doing."""
        return await self._call(daemon_calls.status())

    async def health(self) -> api.Health:
        """Return whether the daemon works, or why it does not."""
        return await self._call(daemon_calls.health())

    async def stats(self) -> api.Stats:
        """Return what the library holds."""
        return await self._call(daemon_calls.stats())

    async def metrics(self) -> str:
        """Return figures for monitoring, as Prometheus reads them."""
        return await self._call(daemon_calls.metrics())

    async def openapi(self) -> bytes:
        """Return the description of the API as JSON."""
        return await self._call(daemon_calls.openapi())

    def events(self, last_id: str | None = None) -> AsyncGenerator[api.Event, None]:
        """Yield what happens in the daemon, until it stops; see `Client.events`."""
        return self._stream(daemon_calls.daemon_events(last_id))

    def failures(self) -> AsyncGenerator[api.Failure, None]:
        """Yield every file that cannot be searched."""
        return self._stream(daemon_calls.failures())

    def changes(self, since: str | None = None) -> AsyncGenerator[api.Changes, None]:
        """Yield what happened to files after a clock, page by page; `clock` of the last goes on."""
        return self._stream(daemon_calls.changes(since))

    async def sync(self, timeout_s: float = 30.0) -> str:
        """Return the clock once all that is on disk now can be found; see `Client.sync`."""
        return await self._call(daemon_calls.sync(timeout_s))

    async def rescan(self, folder: str | os.PathLike[str] | None = None) -> str:
        """Have everything, or one folder, compared with the disk; see `Client.rescan`."""
        return await self._call(daemon_calls.rescan(folder))

    async def retry(self) -> api.Done:
        """Have every failure tried again."""
        return await self._call(daemon_calls.retry())

    async def pause(self, for_s: float | None = None) -> api.Pause | None:
        """Have indexing rest, for so long or until it is resumed; return why it rests now."""
        return await self._call(daemon_calls.pause(for_s))

    async def resume(self, *, force: bool = False) -> api.Pause | None:
        """Resume indexing; return why it still rests, if it does; see `Client.resume`."""
        return await self._call(daemon_calls.resume(force=force))

    async def forget(self, older_than_s: float | None = None) -> api.Forgotten:
        """Have what is of no use any more forgotten; see `Client.forget`."""
        return await self._call(daemon_calls.forget(older_than_s))

    async def doctor(self, patience_s: float = 3600.0) -> api.Diagnosis:
        """Return how disk, catalog and index compare, file by file; see `Client.doctor`."""
        return await self._call(daemon_calls.doctor(patience_s))

    async def checkpoint(self) -> api.Done:
        """Have the index written to disk."""
        return await self._call(daemon_calls.checkpoint())

    async def rebuild(self) -> api.Done:
        """Rebuild the index from the catalog; encodes nothing."""
        return await self._call(daemon_calls.rebuild())

    async def stop_move(self) -> api.Done:
        """Stop moving to another model; keeps what is encoded already."""
        return await self._call(daemon_calls.stop_move())

    async def resume_move(self) -> api.Done:
        """Have a move that was stopped taken up."""
        return await self._call(daemon_calls.resume_move())

    async def _call(self, call: ApiCall[T]) -> T:
        return await self._daemon.call(call)

    def _stream(self, stream: ApiStream[T]) -> AsyncGenerator[T, None]:
        return self._daemon.stream(stream)


async def _request(
    query: Query | None, image: PictureQuery | None, options: SearchOptions
) -> api.SearchRequest:
    """Return the request; a picture's file is read on a thread."""
    if image is None:
        return search_for(query, None, options)
    return await asyncio.wrap_future(_reading.submit(search_for, query, image, options))
