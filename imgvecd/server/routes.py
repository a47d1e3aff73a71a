"""The table of routes and their handlers: read the request, ask the service, write the answer."""

from __future__ import annotations

import asyncio
import functools
import importlib.resources
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from imgvecd import api
from imgvecd.core.slots import Slots
from imgvecd.errors import BadRequestError, ModelError, NotFoundError, NotInTimeError, PausedError
from imgvecd.server.browsing_routes import BrowsingRoutes
from imgvecd.server.concurrency import search_place, slots_by_work
from imgvecd.server.duplicates_routes import DuplicatesRoutes
from imgvecd.server.event_routes import EventRoutes
from imgvecd.server.metadata_routes import MetadataRoutes
from imgvecd.server.metrics import CONTENT_TYPE, MEDIA_TYPE, SearchTimes, render
from imgvecd.server.original_routes import OriginalRoutes
from imgvecd.server.requests import (
    ChangesFields,
    ImagesFields,
    PageFields,
    SearchFields,
    filters_of,
    image_id,
    json_body,
    query_fields,
    search_request,
)
from imgvecd.server.route import JSON, NDJSON, SEARCH_ERRORS, Route, Work, answer, wants_lines
from imgvecd.server.search_routes import SearchRoutes
from imgvecd.server.services import Service
from imgvecd.server.streaming import Streams
from imgvecd.server.thumbnail_routes import ThumbnailRoutes

_PAGE = 100
_LINES = 500  # sent together: large enough to be fast, small enough to be little memory

logger = logging.getLogger(__name__)

_SLOW_MS = 500  # what a person notices; a first search that loads a model is among them

T = TypeVar("T")


class Routes:
    """The handlers of `/v1`, over one service.

    Args:
        begun: the places in which requests are begun.
        write_timeout_s: clients that do not take a piece of a stream for so long are hung up on.
        trouble: tells what stands in the way of serving; None if nothing does.
    """

    def __init__(
        self,
        service: Service,
        begun: Slots,
        write_timeout_s: float = 60.0,
        trouble: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._service = service
        self._trouble = trouble
        self._actions: set[asyncio.Task[Any]] = set()
        self._searches = SearchTimes()
        self.streams = Streams(write_timeout_s, begun)
        self.slots = slots_by_work()
        self._searching = SearchRoutes(service.searching, self.streams)
        self._duplicates = DuplicatesRoutes(service.duplicates)
        self._metadata = MetadataRoutes(service.metadata)
        self._thumbnails = ThumbnailRoutes(service.thumbnails)
        self._browsing = BrowsingRoutes(service.browsing)
        self._originals = OriginalRoutes(service.browsing, write_timeout_s)
        self._events = EventRoutes(service.events, self.streams)

    def table(self) -> list[Route]:
        """Return every route."""
        parts = (
            self._searching,
            self._duplicates,
            self._metadata,
            self._thumbnails,
            self._browsing,
            self._originals,
            self._events,
        )
        return [*self._table(), *(route for part in parts for route in part.table())]

    def _table(self) -> list[Route]:
        ask, finish = self._service, self._finish
        search = self._searches.timed(self.search)
        get, post = partial(Route, "GET", members=True), partial(Route, "POST")
        return [
            get("/v1/health", "Does it work?", _answering(self.health), api.Health),
            get("/v1/status", "What is it doing?", _answering(self.status), api.Status),
            get("/v1/stats", "What does the library hold?", _answering(ask.stats), api.Stats),
            get(
                "/v1/search",
                "Search",
                search,
                api.SearchResponse,
                query=SearchFields,
                errors=SEARCH_ERRORS,
                work=Work.SEARCH,
            ),
            post(
                "/v1/search",
                "Search by any combination of texts and images",
                search,
                api.SearchResponse,
                query=SearchFields,
                body=api.SearchRequest,
                uploads=True,
                errors=SEARCH_ERRORS,
                work=Work.SEARCH,
                members=True,
            ),
            get(
                "/v1/images",
                "List images, or those that pass filters",
                self.images,
                api.ImageList,
                query=ImagesFields,
                other={NDJSON: api.Image},
            ),
            get(
                "/v1/images/{id}",
                "Show one image",
                self.image,
                api.Image,
                errors=(NotFoundError,),
            ),
            post(
                "/v1/rescan",
                "Look for changes on disk",
                self.rescan,
                api.Done,
                body=api.RescanRequest,
                errors=(NotFoundError, PausedError),
                work=Work.UPKEEP,
            ),
            post(
                "/v1/sync",
                "Wait until all that is on disk now is searchable",
                self.sync,
                api.Done,
                body=api.SyncRequest,
                errors=(NotInTimeError, PausedError),
                work=Work.WAITING,
            ),
            get(
                "/v1/changes",
                "What happened to files since a clock",
                self.changes,
                api.Changes,
                query=ChangesFields,
                other={NDJSON: api.Changes},
            ),
            get(
                "/v1/failures",
                "Which files cannot be searched, and why",
                self.failures,
                api.FailureList,
                query=PageFields,
                other={NDJSON: api.Failure},
            ),
            post(
                "/v1/retry",
                "Try every failure again",
                _answering(ask.retry),
                api.Done,
                work=Work.UPKEEP,
            ),
            post(
                "/v1/pause",
                "Pause indexing; searches go on",
                self.pause,
                api.Pausing,
                body=api.PauseRequest,
                work=Work.UPKEEP,
            ),
            post(
                "/v1/resume",
                "Resume indexing",
                self.resume,
                api.Pausing,
                body=api.ResumeRequest,
                work=Work.UPKEEP,
            ),
            post(
                "/v1/forget",
                "Forget what is known of pictures long gone, and old query texts",
                self.forget,
                api.Forgotten,
                body=api.ForgetRequest,
                work=Work.HEAVY,
            ),
            post(
                "/v1/doctor",
                "Compare disk, catalog and index",
                _answering(ask.doctor),
                api.Diagnosis,
                errors=(ModelError,),
                work=Work.HEAVY,
            ),
            post(
                "/v1/checkpoint",
                "Write the index to disk",
                _answering(lambda: finish(ask.checkpoint())),
                api.Done,
                errors=(ModelError,),
                work=Work.UPKEEP,
            ),
            post(
                "/v1/rebuild",
                "Build the index anew from the catalog",
                _answering(lambda: finish(ask.rebuild())),
                api.Done,
                errors=(ModelError,),
                work=Work.UPKEEP,
            ),
            post(
                "/v1/move/stop",
                "Stop the move to another model; what it has encoded is kept",
                _answering(lambda: finish(ask.stop_move())),
                api.Done,
                errors=(NotFoundError,),
                work=Work.UPKEEP,
            ),
            post(
                "/v1/move/resume",
                "Resume a move to another model that was stopped",
                _answering(lambda: finish(ask.resume_move())),
                api.Done,
                errors=(NotFoundError,),
                work=Work.UPKEEP,
            ),
            get(
                "/v1/metrics",
                "Figures for monitoring, as Prometheus reads them",
                self.metrics,
                None,
                other={MEDIA_TYPE: None},
            ),
            get("/v1/openapi.json", "This document", self.describe, None, other={JSON: None}),
        ]

    async def health(self) -> api.Health:
        """Return whether all is well, with the library and with serving."""
        health = await self._service.health()
        trouble = self._trouble()
        if trouble is None:
            return health
        return api.Health(status="degraded", reasons=(*health.reasons, trouble))

    async def status(self) -> api.Status:
        """Return what the daemon is doing, with a warning where serving is in trouble."""
        status = await self._service.status()
        trouble = self._trouble()
        if trouble is None:
            return status
        return msgspec.structs.replace(status, warnings=(*status.warnings, trouble))

    async def search(self, request: web.Request) -> web.Response:
        """Answer the hits of one search."""
        wanted = await search_request(request)
        found = self._service.kept(wanted)
        if found is None:
            remembered = self._service.remembers(wanted)
            async with search_place(request, self.slots, remembered=remembered):
                found = await self._service.search(wanted)
        logger.info(
            "%ssearch: %d hits of %d in %.1f ms",
            "slow " if found.took_ms > _SLOW_MS else "",
            len(found.hits),
            found.searched,
            found.took_ms,
        )
        return answer(found)

    async def images(self, request: web.Request) -> web.StreamResponse:
        """Answer one page of images, or all of them as lines."""
        wanted = query_fields(request, ImagesFields)
        filters = filters_of(wanted.filters)
        if wanted.order != "id":
            return await self._ordered_images(request, wanted, filters)
        if wanted.cursor is not None:
            raise BadRequestError("`cursor` needs an `order`; by id, lists go on with `after`")
        if not wants_lines(request):
            return answer(await self._service.images(wanted.after, wanted.limit or _PAGE, filters))

        async def ask(after: int, limit: int) -> tuple[Sequence[msgspec.Struct], int | None]:
            found = await self._service.images(after, limit, filters)
            return found.images, found.next_after

        return await self.streams.lines(request, _pages(ask, wanted))

    async def _ordered_images(
        self, request: web.Request, wanted: ImagesFields, filters: api.Filters
    ) -> web.StreamResponse:
        if wanted.after != -1:
            raise BadRequestError("`after` is for the order by id; other lists go on with `cursor`")
        listing = self._service.browsing.listing
        if not wants_lines(request):
            page = await listing(wanted.order, wanted.cursor, wanted.limit or _PAGE, filters)
            return answer(page)

        async def pages() -> AsyncGenerator[Sequence[msgspec.Struct], None]:
            cursor, left = wanted.cursor, wanted.limit
            while left is None or left > 0:
                size = _LINES if left is None else min(left, _LINES)
                page = await listing(wanted.order, cursor, size, filters)
                yield page.images
                cursor, left = page.next_cursor, None if left is None else left - size
                if cursor is None:
                    return

        return await self.streams.lines(request, pages())

    async def image(self, request: web.Request) -> web.Response:
        """Answer one image."""
        return answer(await self._service.image(image_id(request)))

    async def describe(self, _request: web.Request) -> web.Response:
        """Answer the description of the API."""
        return web.Response(body=_description(), content_type=JSON)

    async def metrics(self, _request: web.Request) -> web.Response:
        """Answer figures for monitoring."""
        text = render(
            await self._service.status(),
            await self._service.failure_reasons(),
            {
                "under_way": sum(slots.under_way for slots in self.slots.values()),
                "waiting": sum(slots.waiting for slots in self.slots.values()),
            },
            self._searches,
            self._service.encode_times(),
        )
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def rescan(self, request: web.Request) -> web.Response:
        """Look for changes on disk."""
        wanted = await json_body(request, api.RescanRequest)
        return answer(await self._finish(self._service.rescan(wanted)))

    async def failures(self, request: web.Request) -> web.StreamResponse:
        """Answer one page of failures, or all of them as lines."""
        wanted = query_fields(request, PageFields)
        if not wants_lines(request):
            return answer(await self._service.failures(wanted.after, wanted.limit or _PAGE))

        async def ask(after: int, limit: int) -> tuple[Sequence[msgspec.Struct], int | None]:
            found = await self._service.failures(after, limit)
            return found.failures, found.next_after

        return await self.streams.lines(request, _pages(ask, wanted))

    async def sync(self, request: web.Request) -> web.Response:
        """Wait for a freshness barrier."""
        wanted = await json_body(request, api.SyncRequest)
        return answer(await self._service.sync(wanted))

    async def pause(self, request: web.Request) -> web.Response:
        """Have indexing rest."""
        wanted = await json_body(request, api.PauseRequest)
        return answer(await self._finish(self._service.pause(wanted)))

    async def forget(self, request: web.Request) -> web.Response:
        """Forget what is of no use any more."""
        wanted = await json_body(request, api.ForgetRequest)
        return answer(await self._finish(self._service.forget(wanted)))

    async def resume(self, request: web.Request) -> web.Response:
        """Resume indexing."""
        wanted = await json_body(request, api.ResumeRequest)
        return answer(await self._finish(self._service.resume(wanted)))

    async def changes(self, request: web.Request) -> web.StreamResponse:
        """Answer what happened to files; as lines, page after page."""
        wanted = query_fields(request, ChangesFields)
        if not wants_lines(request):
            return answer(await self._service.changes(wanted.since, wanted.limit))

        async def pages() -> AsyncGenerator[Sequence[api.Changes], None]:
            since, more = wanted.since, True
            while more:
                page = await self._service.changes(since, wanted.limit)
                since, more = page.clock, page.more
                yield (page,)

        return await self.streams.lines(request, pages())

    async def _finish(self, action: Coroutine[Any, Any, T]) -> T:
        """Run an action to its end, even if the client leaves or the deadline passes."""
        task = asyncio.create_task(action)
        self._actions.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._actions.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.debug("action failed", exc_info=error)  # marks the exception as seen


async def _pages(
    ask: Callable[[int, int], Awaitable[tuple[Sequence[msgspec.Struct], int | None]]],
    wanted: PageFields,
) -> AsyncGenerator[Sequence[msgspec.Struct], None]:
    """Yield pages until there are no more, or as many as wanted were told."""
    after, left = wanted.after, wanted.limit
    while left is None or left > 0:
        page, following = await ask(after, _LINES if left is None else min(left, _LINES))
        yield page
        if following is None:
            return
        after = following
        left = None if left is None else left - len(page)


@functools.cache
def _description() -> bytes:
    return (importlib.resources.files(__package__) / "openapi.json").read_bytes()


def _answering(ask: Callable[[], Awaitable[msgspec.Struct]]) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return answer(await ask())

    return handler
