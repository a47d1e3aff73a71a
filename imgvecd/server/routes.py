"""The table of routes and their handlers: read the request, ask the service, write the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from imgvecd import api
from imgvecd.errors import NotFoundError
from imgvecd.server.duplicates_routes import DuplicatesRoutes
from imgvecd.server.metrics import CONTENT_TYPE, SearchTimes, render
from imgvecd.server.openapi import Route, document
from imgvecd.server.requests import (
    ChangesFields,
    PageFields,
    SearchFields,
    json_body,
    query_fields,
    search_request,
)
from imgvecd.server.search_routes import SearchRoutes
from imgvecd.server.service import Service

logger = logging.getLogger(__name__)

_JSON = "application/json"


class Routes:
    """The handlers of `/v1`, over one service."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._actions: set[asyncio.Task[api.Done]] = set()
        self._searches = SearchTimes()
        self.searching = SearchRoutes(service.searching)
        self._duplicates = DuplicatesRoutes(service.duplicates)

    def definitions(self) -> list[web.RouteDef]:
        """Return every route as aiohttp takes it, the description of them all included."""
        table = [*self._table(), *self.searching.table(), *self._duplicates.table()]
        description = document(table)

        async def describe(_request: web.Request) -> web.StreamResponse:
            return web.Response(body=description, content_type=_JSON)

        routes = [web.route(route.method, route.path, route.handler) for route in table]
        return [
            *routes,
            web.get("/v1/openapi.json", describe),
            web.get("/v1/metrics", self.metrics),
        ]

    def _table(self) -> list[Route]:
        ask, finish = self._service, self._finish
        search = self._searches.timed(self.search)
        get, post = partial(Route, "GET"), partial(Route, "POST")
        return [
            get("/v1/health", "Does it work?", _answering(ask.health), api.Health),
            get("/v1/status", "What is it doing?", _answering(ask.status), api.Status),
            get("/v1/stats", "What does the library hold?", _answering(ask.stats), api.Stats),
            get("/v1/search", "Search", search, api.SearchResponse, query=SearchFields),
            post(
                "/v1/search",
                "Search by any combination of texts and images",
                search,
                api.SearchResponse,
                query=SearchFields,
                body=api.SearchRequest,
                uploads=True,
            ),
            get("/v1/images", "List images", self.images, api.ImageList, query=PageFields),
            get("/v1/images/{id}", "Show one image", self.image, api.Image),
            post(
                "/v1/rescan",
                "Look for changes on disk",
                self.rescan,
                api.Done,
                body=api.RescanRequest,
            ),
            post(
                "/v1/sync",
                "Wait until all that is on disk now is searchable",
                self.sync,
                api.Done,
                body=api.SyncRequest,
            ),
            get(
                "/v1/changes",
                "What happened to files since a clock",
                self.changes,
                api.Changes,
                query=ChangesFields,
            ),
            get(
                "/v1/failures",
                "Which files cannot be searched, and why",
                self.failures,
                api.FailureList,
                query=PageFields,
            ),
            post("/v1/retry", "Try every failure again", _answering(ask.retry), api.Done),
            post(
                "/v1/doctor",
                "Compare disk, catalog and index",
                _answering(ask.doctor),
                api.Diagnosis,
            ),
            post(
                "/v1/checkpoint",
                "Write the index to disk",
                _answering(lambda: finish(ask.checkpoint())),
                api.Done,
            ),
            post(
                "/v1/rebuild",
                "Build the index anew from the catalog",
                _answering(lambda: finish(ask.rebuild())),
                api.Done,
            ),
            post(
                "/v1/move/stop",
                "Give up the move to another model; what it has encoded stays",
                _answering(lambda: finish(ask.stop_move())),
                api.Done,
            ),
            post(
                "/v1/move/resume",
                "Take up a move to another model that was stopped",
                _answering(lambda: finish(ask.resume_move())),
                api.Done,
            ),
        ]

    async def search(self, request: web.Request) -> web.Response:
        """Answer the hits of one search."""
        found = await self._service.search(await search_request(request))
        logger.info(
            "search: %d hits of %d in %.1f ms", len(found.hits), found.searched, found.took_ms
        )
        return _answer(found)

    async def images(self, request: web.Request) -> web.Response:
        """Answer one page of all images."""
        page = query_fields(request, PageFields)
        return _answer(await self._service.images(page.after, page.limit))

    async def image(self, request: web.Request) -> web.Response:
        """Answer one image."""
        text = request.match_info["id"]
        if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
            raise NotFoundError(f"There is no image {text}; ids are whole numbers.")
        return _answer(await self._service.image(int(text)))

    async def metrics(self, _request: web.Request) -> web.Response:
        """Answer figures for monitoring."""
        text = render(await self._service.status(), self._searches)
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def rescan(self, request: web.Request) -> web.Response:
        """Look for changes on disk."""
        wanted = await json_body(request, api.RescanRequest)
        return _answer(await self._finish(self._service.rescan(wanted)))

    async def failures(self, request: web.Request) -> web.Response:
        """Answer one page of failures."""
        page = query_fields(request, PageFields)
        return _answer(await self._service.failures(page.after, page.limit))

    async def sync(self, request: web.Request) -> web.Response:
        """Wait for a freshness barrier."""
        wanted = await json_body(request, api.SyncRequest)
        return _answer(await self._service.sync(wanted))

    async def changes(self, request: web.Request) -> web.Response:
        """Answer what happened to files."""
        wanted = query_fields(request, ChangesFields)
        return _answer(await self._service.changes(wanted.since, wanted.limit))

    async def _finish(self, action: Coroutine[Any, Any, api.Done]) -> api.Done:
        """Run an action to its end, even if the client leaves or the deadline passes."""
        task = asyncio.create_task(action)
        self._actions.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[api.Done]) -> None:
        self._actions.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.debug("action failed", exc_info=error)  # marks the exception as seen


def _answering(ask: Callable[[], Awaitable[msgspec.Struct]]) -> Handler:
    async def handler(_request: web.Request) -> web.StreamResponse:
        return _answer(await ask())

    return handler


def _answer(body: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(body) + b"\n", content_type=_JSON)
