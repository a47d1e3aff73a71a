"""The table of routes: all that is known of an operation in one place.

Routing, deadlines, who may ask, the OpenAPI document and its tests are derived from these rows, so
a new route is one row and one handler.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from imgvecd.core.threads import FILTERING
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
    UnsupportedMediaError,
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


class Work(enum.Enum):
    """What a request costs, and so in which line it waits and for how long it may go on."""

    QUICK = enum.auto()
    """Answered within the deadline; clients take turns."""
    SEARCH = enum.auto()
    """Either of the next two, which is known when the request has been read."""
    REMEMBERED = enum.auto()
    """A search for which nothing has to be encoded: as `QUICK`, and before it."""
    ENCODING = enum.auto()
    """A search that waits for the encoder: within the deadline, and after what does not."""
    UPKEEP = enum.auto()
    """Sets the daemon to work, which costs more than to answer: a client rests after each."""
    HEAVY = enum.auto()
    """Looks at the whole library, for as long as that takes: few at once, beside searches."""
    WAITING = enum.auto()
    """Lasts, and costs next to nothing meanwhile."""
    STREAM = enum.auto()
    """Tells what comes, without end or for as long as the client takes to read it."""

    @property
    def lasts(self) -> bool:
        """Whether it has no deadline, or one of its own."""
        return self in {Work.HEAVY, Work.WAITING, Work.STREAM}


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
        work: what it costs.
        members: whether members of `server.group` may ask, too; by default only the daemon's own
            user may. It is for what reads, and reads nothing that is the owner's alone.
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
    work: Work = Work.QUICK
    members: bool = False
    conditional: bool = False

    @property
    def changes(self) -> bool:
        """Whether it takes a body, or changes something."""
        return self.method not in {"GET", "HEAD"}

    @property
    def all_errors(self) -> tuple[type[ImgvecdError], ...]:
        """What it may be answered with, all in all."""
        media = (UnsupportedMediaError,) if self.changes else ()
        return (*COMMON_ERRORS, *media, *self.errors)


class Table:
    """Finds the route of a request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = {(route.method, route.path): route for route in routes}

    def route(self, request: web.Request) -> Route | None:
        """Return the route, or None if there is none."""
        resource = request.match_info.route.resource
        method = "GET" if request.method == "HEAD" else request.method
        return None if resource is None else self._routes.get((method, resource.canonical))

    def work(self, request: web.Request) -> Work:
        """Return what a request costs; lines are sent as fast as the client takes them."""
        route = self.route(request)
        if route is None:
            return Work.QUICK
        return Work.STREAM if NDJSON in route.other and wants_lines(request) else route.work


def wants_lines(request: web.Request) -> bool:
    """Return whether the client prefers one struct a line to one page."""
    return NDJSON in request.headers.get("Accept", "")


def answer(body: msgspec.Struct) -> web.Response:
    """Return the response that carries a struct."""
    return web.Response(body=_encoded(body), content_type=JSON)


async def long_answer(body: msgspec.Struct, *lists: str) -> web.Response:
    """Return the response that carries a struct with lists that may be long.

    Args:
        lists: their fields. The items are encoded one by one, and not in the loop: other requests
            go on meanwhile.
    """
    encoded = await FILTERING.run(_encoded_by_items, body, lists)
    return web.Response(body=encoded, content_type=JSON)


def _encoded_by_items(body: msgspec.Struct, lists: Iterable[str]) -> bytes:
    items = {
        name: tuple(msgspec.Raw(msgspec.json.encode(item)) for item in getattr(body, name))
        for name in lists
    }
    return _encoded(msgspec.structs.replace(body, **items))


def _encoded(body: msgspec.Struct) -> bytes:
    return msgspec.json.encode(body) + b"\n"
