"""The routes around searching: batches, standing and saved searches, labels."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
from aiohttp import web

from imgvecd import api
from imgvecd.server.openapi import Route
from imgvecd.server.requests import SearchFields, json_body, query_fields
from imgvecd.server.search_service import SearchService

LIVE = "/v1/search/live"
"""Has no deadline: it ends when the client leaves."""


class LiveFields(SearchFields, frozen=True):
    """Query string of a standing search."""

    since: str | None = None


class SinceFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of a standing search whose terms are in the body."""

    since: str | None = None


class SearchRoutes:
    """The handlers, over one service."""

    def __init__(self, service: SearchService) -> None:
        self._service = service
        self._listeners: set[asyncio.Task[None]] = set()

    def table(self) -> list[Route]:
        """Return every route."""
        get, post = partial(Route, "GET"), partial(Route, "POST")
        put, delete = partial(Route, "PUT"), partial(Route, "DELETE")
        saved = "/v1/saved/{name}"
        return [
            post(
                "/v1/search/batch",
                "Search many times, all texts encoded together",
                self.batch,
                api.SearchBatchResponse,
                body=api.SearchBatch,
            ),
            get(
                LIVE,
                "Tell every new image that matches, as server-sent events",
                self.listen,
                api.Match,
                query=LiveFields,
            ),
            post(
                LIVE,
                "Tell every new image that matches any combination of texts and images",
                self.listen,
                api.Match,
                query=SinceFields,
                body=api.SearchRequest,
            ),
            get("/v1/saved", "List saved searches", self.saved, api.SavedSearches),
            get(saved, "Run a saved search", self.run_saved, api.SearchResponse),
            put(saved, "Save a search", self.save, api.SavedSearch, body=api.SearchRequest),
            delete(saved, "Drop a saved search", self.forget, api.SavedSearches),
            post(
                "/v1/classify",
                "Find the labels that fit images best",
                self.classify,
                api.ClassifyResponse,
                body=api.ClassifyRequest,
            ),
        ]

    async def end(self, _app: web.Application) -> None:
        """Send listeners away: the daemon stops."""
        for task in self._listeners:
            task.cancel()

    async def batch(self, request: web.Request) -> web.Response:
        """Answer many searches."""
        wanted = await json_body(request, api.SearchBatch)
        return _answer(await self._service.batch(wanted))

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """Answer events for as long as the client listens.

        A client that comes back says where it was: by `since`, or as browsers do.
        """
        if request.method == "POST":
            since = query_fields(request, SinceFields).since
            wanted = await json_body(request, api.SearchRequest)
        else:
            fields = query_fields(request, LiveFields)
            since, wanted = fields.since, fields.search(None)
        since = request.headers.get("Last-Event-ID") or since
        begin, matches = await self._service.listen(wanted, since)
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  # handlers run in tasks
        self._listeners.add(task)
        try:
            await response.prepare(request)
            await response.write(_event("ready", begin, b"{}"))
            async for match in matches:
                if match is None:
                    await response.write(b": still here\n\n")
                else:
                    body = msgspec.json.encode(match)
                    await response.write(_event("match", match.since, body))
        finally:
            self._listeners.discard(task)
        return response

    async def saved(self, _request: web.Request) -> web.Response:
        """Answer the saved searches."""
        return _answer(await self._service.saved())

    async def save(self, request: web.Request) -> web.Response:
        """Save a search."""
        search = await json_body(request, api.SearchRequest)
        saved = api.SavedSearch(name=request.match_info["name"], search=search)
        return _answer(await self._service.save(saved))

    async def forget(self, request: web.Request) -> web.Response:
        """Drop a saved search."""
        return _answer(await self._service.forget(request.match_info["name"]))

    async def run_saved(self, request: web.Request) -> web.Response:
        """Answer the hits of a saved search."""
        return _answer(await self._service.run_saved(request.match_info["name"]))

    async def classify(self, request: web.Request) -> web.Response:
        """Answer labels."""
        wanted = await json_body(request, api.ClassifyRequest)
        return _answer(await self._service.classify(wanted))


def _event(kind: str, position: str, data: bytes) -> bytes:
    return f"event: {kind}\nid: {position}\ndata: ".encode() + data + b"\n\n"


def _answer(body: msgspec.Struct) -> web.Response:
    return web.Response(body=msgspec.json.encode(body) + b"\n", content_type="application/json")
