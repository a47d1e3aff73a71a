"""The routes around searching: batches, standing and saved searches, labels."""

from __future__ import annotations

from functools import partial

import msgspec
from aiohttp import web

from imgvecd import api
from imgvecd.errors import ForbiddenError, NotFoundError
from imgvecd.server.client_connection import peer
from imgvecd.server.requests import SearchFields, json_body, query_fields, query_search
from imgvecd.server.route import EVENTS, SEARCH_ERRORS, Route, Work, answer, long_answer
from imgvecd.server.services import SearchService
from imgvecd.server.streaming import Streams


class LiveFields(SearchFields, frozen=True):
    """Query string of a standing search."""

    since: str | None = None


class SinceFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of a standing search whose terms are in the body."""

    since: str | None = None


class SearchRoutes:
    """The handlers, over one service."""

    def __init__(self, service: SearchService, streams: Streams) -> None:
        self._service = service
        self._streams = streams

    def table(self) -> list[Route]:
        """Return every route."""
        get, post = partial(Route, "GET"), partial(Route, "POST")
        put, delete = partial(Route, "PUT"), partial(Route, "DELETE")
        live, saved = "/v1/search/live", "/v1/saved/{name}"
        listening = partial(
            Route,
            answer=None,
            other={EVENTS: api.Match},
            errors=SEARCH_ERRORS,
            work=Work.STREAM,
            members=True,
        )
        return [
            post(
                "/v1/search/batch",
                "Search many times, all texts encoded together",
                self.batch,
                api.SearchBatchResponse,
                body=api.SearchBatch,
                errors=SEARCH_ERRORS,
                members=True,
            ),
            listening(
                "GET",
                live,
                "Stream every new image that matches, as server-sent events",
                self.listen,
                query=LiveFields,
            ),
            listening(
                "POST",
                live,
                "Stream every new image that matches any combination of texts and images",
                self.listen,
                query=SinceFields,
                body=api.SearchRequest,
            ),
            get("/v1/saved", "List saved searches", self.saved, api.SavedSearches),
            get(
                saved,
                "Run a saved search",
                self.run_saved,
                api.SearchResponse,
                errors=SEARCH_ERRORS,
            ),
            put(saved, "Save a search", self.save, api.SavedSearch, body=api.SearchRequest),
            delete(
                saved,
                "Drop a saved search",
                self.forget,
                api.SavedSearches,
                errors=(NotFoundError,),
            ),
            post(
                "/v1/classify",
                "Find the labels that fit images best",
                self.classify,
                api.ClassifyResponse,
                body=api.ClassifyRequest,
                errors=SEARCH_ERRORS,
                members=True,  # but for `write_tags`
            ),
        ]

    async def batch(self, request: web.Request) -> web.Response:
        """Answer many searches."""
        wanted = await json_body(request, api.SearchBatch)
        return answer(await self._service.batch(wanted))

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """Answer events for as long as the client listens.

        A client that comes back says where it was: by `since`, or as browsers do.
        """
        if request.method == "POST":
            since = query_fields(request, SinceFields).since
            wanted = await json_body(request, api.SearchRequest)
        else:
            fields = query_fields(request, LiveFields)
            since, wanted = fields.since, query_search(request, fields)
        since = request.headers.get("Last-Event-ID") or since
        begin, matches = await self._service.listen(wanted, since)
        async with self._streams.events(request) as (response, stream):
            await stream.event("ready", begin, b"{}")
            async for match in matches:
                if match is None:
                    await stream.heartbeat()
                else:
                    await stream.event("match", match.since, msgspec.json.encode(match))
        return response

    async def saved(self, _request: web.Request) -> web.Response:
        """Answer the saved searches."""
        return answer(await self._service.saved())

    async def save(self, request: web.Request) -> web.Response:
        """Save a search."""
        search = await json_body(request, api.SearchRequest)
        saved = api.SavedSearch(name=request.match_info["name"], search=search)
        return answer(await self._service.save(saved))

    async def forget(self, request: web.Request) -> web.Response:
        """Drop a saved search."""
        return answer(await self._service.forget(request.match_info["name"]))

    async def run_saved(self, request: web.Request) -> web.Response:
        """Answer the hits of a saved search."""
        return answer(await self._service.run_saved(request.match_info["name"]))

    async def classify(self, request: web.Request) -> web.Response:
        """Answer labels."""
        wanted = await json_body(request, api.ClassifyRequest)
        if wanted.write_tags and not peer(request).is_owner:
            raise ForbiddenError("`write_tags` is for the user that runs the daemon.")
        return await long_answer(await self._service.classify(wanted), "images")
