"""The table of routes: all that is known of an operation in one place.

Routing, deadlines, the OpenAPI document and its tests are derived from these rows, so a new route
is one row and one handler.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from imgvecd.errors import (
    BadRequestError,
    BusyError,
    CatalogError,
    DeadlineError,
    ForbiddenError,
    ImgvecdError,
    ModelError,
    NotFoundError,
    TooLargeError,
    UnauthorizedError,
    UnreadableImageError,
    WorkerError,
)

JSON = "application/json"
NDJSON = "application/x-ndjson"
EVENTS = "text/event-stream"

COMMON_ERRORS = (
    BadRequestError,
    UnauthorizedError,
    ForbiddenError,
    TooLargeError,
    BusyError,
    CatalogError,
    DeadlineError,
    ImgvecdError,
)
"""What any request may be answered with."""

SEARCH_ERRORS = (NotFoundError, UnreadableImageError, ModelError, WorkerError)
"""What searching adds to them."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    Attributes:
        answer: struct of the JSON that 200 carries; None if it carries none.
        query: struct of the query string.
        body: struct of the JSON body, or `dict[str, Any]` where any object will do.
        uploads: whether an image may be sent instead, as such or in a form of `query`'s fields.
        other: further media types of the answer, and the struct of one line or event in them, if
            it has one.
        errors: what it may be answered with besides `COMMON_ERRORS`.
        lasting: takes as long as it must, or brings a deadline of its own; it does not count among
            the requests that are under way at once.
        conditional: the answer has an ETag, and 304 says that it is still the same.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    answer: type[msgspec.Struct] | None
    query: type[msgspec.Struct] | None = None
    body: type[msgspec.Struct | dict[str, Any]] | None = None
    uploads: bool = False
    other: Mapping[str, type[msgspec.Struct] | None] = field(default_factory=dict)
    errors: tuple[type[ImgvecdError], ...] = ()
    lasting: bool = False
    conditional: bool = False


class Lasting:
    """Tells requests that may last from those that have a deadline."""

    def __init__(self, table: Iterable[Route]) -> None:
        table = list(table)
        self._routes = {(route.method, route.path) for route in table if route.lasting}
        self._streaming = {(route.method, route.path) for route in table if NDJSON in route.other}

    def __contains__(self, request: web.Request) -> bool:
        """Return whether the request's route is a lasting one, or lines are asked for."""
        resource = request.match_info.route.resource
        if resource is None:
            return False
        route = request.method, resource.canonical
        return route in self._routes or (route in self._streaming and wants_lines(request))


def wants_lines(request: web.Request) -> bool:
    """Return whether the client prefers one struct a line to one page."""
    return NDJSON in request.headers.get("Accept", "")


def answer(body: msgspec.Struct) -> web.Response:
    """Return the response that carries a struct."""
    return web.Response(body=msgspec.json.encode(body) + b"\n", content_type=JSON)
