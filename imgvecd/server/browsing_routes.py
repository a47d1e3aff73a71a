"""The routes for whoever looks through the library."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
from aiohttp import web

from imgvecd import api
from imgvecd.errors import NotFoundError
from imgvecd.server.requests import (
    FacetFields,
    FilterFields,
    MonthFields,
    PositionFields,
    filters_of,
    json_body,
    query_fields,
)
from imgvecd.server.route import Route, answer
from imgvecd.server.services import BrowsingService


class BrowsingRoutes:
    """The handlers, over one service."""

    def __init__(self, service: BrowsingService) -> None:
        self._service = service

    def table(self) -> list[Route]:
        """Return every route."""
        get = partial(Route, "GET", members=True)
        return [
            get(
                "/v1/timeline",
                "How many images were taken when, and what shapes they have",
                self.timeline,
                api.Timeline,
                query=FilterFields,
                conditional=True,
            ),
            get(
                "/v1/timeline/{month}",
                "The images of one month, newest first",
                self.month,
                api.MonthImages,
                query=MonthFields,
                errors=(NotFoundError,),
                conditional=True,
            ),
            Route(
                "POST",
                "/v1/images/lookup",
                "Show many images",
                self.lookup,
                api.ImageList,
                body=api.LookupRequest,
                members=True,
            ),
            get(
                "/v1/facets",
                "Which cameras, tags, people or folders most images have",
                self.facets,
                api.Facets,
                query=FacetFields,
            ),
            get(
                "/v1/positions",
                "Where images were taken",
                self.positions,
                api.Clusters,
                query=PositionFields,
            ),
        ]

    async def timeline(self, request: web.Request) -> web.Response:
        """Answer the timeline, or that the one that the client has still holds."""
        filters = filters_of(query_fields(request, FilterFields).filters)
        return await self._unless_known(request, lambda: self._service.timeline(filters))

    async def month(self, request: web.Request) -> web.Response:
        """Answer a month's images, likewise."""
        fields = query_fields(request, MonthFields)
        filters = filters_of(fields.filters)
        month = request.match_info["month"]
        return await self._unless_known(
            request, lambda: self._service.month(month, filters, fields.start, fields.limit)
        )

    async def lookup(self, request: web.Request) -> web.Response:
        """Answer many images."""
        return answer(await self._service.lookup(await json_body(request, api.LookupRequest)))

    async def facets(self, request: web.Request) -> web.Response:
        """Answer what images have in common."""
        fields = query_fields(request, FacetFields)
        return answer(await self._service.facets(fields.kind, fields.contains, fields.limit))

    async def positions(self, request: web.Request) -> web.Response:
        """Answer where images were taken."""
        fields = query_fields(request, PositionFields)
        box = (fields.south, fields.west, fields.north, fields.east)
        return answer(await self._service.positions(box, fields.columns))

    async def _unless_known(
        self, request: web.Request, ask: Callable[[], Awaitable[msgspec.Struct]]
    ) -> web.Response:
        clock = await self._service.clock()
        tag = hashlib.blake2b(f"{clock} {request.rel_url}".encode(), digest_size=12).hexdigest()
        headers = {"ETag": f'"{tag}"', "Cache-Control": "private, no-cache"}
        if any(known.value in {tag, "*"} for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        response = answer(await ask())
        response.headers.update(headers)
        return response
