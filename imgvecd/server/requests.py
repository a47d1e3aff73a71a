"""Reads requests into the structs of the API; every search becomes the same `SearchRequest`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web

from imgvecd import api
from imgvecd.errors import BadRequestError, ForbiddenError, NotFoundError, TooLargeError
from imgvecd.server import forms, json_bodies
from imgvecd.server.client_connection import peer
from imgvecd.server.request_bodies import body_of
from imgvecd.validation_messages import validation_message

T = TypeVar("T")
Order = Literal["score", "newest", "oldest", "path"]
MinBand = Literal["found", "weaker"]
Group = Literal["day", "folder", "near-duplicates"]

# Form fields other than the image are a few words; the model reads 77 tokens of text at the most.
_MAX_FIELD_BYTES = 16 * 1024
_UPLOAD_FIELD = "image"
_ID_DIGITS = 19  # of 2⁶³


class SearchFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A search by plain text fields: a query string, or the fields of a form.

    Attributes:
        filters: a JSON object of `api.Filters`.
    """

    text: str | None = None
    path: str | None = None
    path_base64: str | None = None
    id: api.Id | None = None
    url: str | None = None
    limit: api.Limit = 20
    min_score: api.Score | None = None
    min_relevance: api.Share | None = None
    min_band: MinBand | None = None
    all: bool = False
    filters: str = "{}"
    order: Order = "score"
    cursor: str | None = None
    group: Group | None = None
    explain: bool = False
    everywhere: bool | None = None

    def search(self, data: bytes | None) -> api.SearchRequest:
        """Return the full request; `data` is an uploaded image file.

        Raises:
            BadRequestError: it makes no sense; names the field.
        """
        try:
            return self._search(data)
        except ValueError as error:
            raise BadRequestError(f"{error}.") from error

    def _search(self, data: bytes | None) -> api.SearchRequest:
        parts: dict[str, Any] = {
            "path": self.path,
            "path_base64": self.path_base64,
            "id": self.id,
            "url": self.url,
            "data": data,
        }
        given = any(part is not None for part in parts.values())
        image = api.Term(**parts) if given else None
        return api.SearchRequest(
            text=self.text,
            image=image,
            limit=self.limit,
            min_score=self.min_score,
            min_relevance=self.min_relevance,
            min_band=self.min_band,
            all=self.all,
            filters=filters_of(self.filters),
            order=self.order,
            cursor=self.cursor,
            group=self.group,
            explain=self.explain,
            everywhere=self.everywhere,
        )


class PageFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of a list.

    Attributes:
        limit: of a page, 100 if left out; as lines all come if it is left out.
    """

    after: api.AfterId = -1
    limit: api.Limit | None = None


class ImagesFields(PageFields, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of `GET /v1/images`.

    Attributes:
        filters: a JSON object of `api.Filters`: only images that pass.
        order: by time, those without one come last; by path, an image comes once.
        cursor: `next_cursor` of the page before; `after` is for the order by id.
    """

    filters: str = "{}"
    order: api.ListOrder = "id"
    cursor: str | None = None


class FilterFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of what can be narrowed.

    Attributes:
        filters: a JSON object of `api.Filters`.
    """

    filters: str = "{}"


class MonthFields(FilterFields, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of `GET /v1/timeline/{month}`.

    Attributes:
        start: how many of the month's first images to leave out.
    """

    start: Annotated[int, msgspec.Meta(ge=0, le=2**53)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=api.MOST_OF_MONTH)] = api.MOST_OF_MONTH


class FacetFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of `GET /v1/facets`.

    Attributes:
        contains: only values with this in them, whatever its case.
    """

    kind: api.FacetKind
    contains: Annotated[str, msgspec.Meta(max_length=200)] = ""
    limit: api.Limit = 50


class PositionFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of `GET /v1/positions`; west > east crosses the date line.

    Attributes:
        columns: how many cells lie from west to east at the least; up to twice as many do. Images
            of one cell are told of together.
    """

    south: api.Latitude = -90
    west: api.Longitude = -180
    north: api.Latitude = 90
    east: api.Longitude = 180
    columns: Annotated[int, msgspec.Meta(ge=1, le=64)] = 32

    def __post_init__(self) -> None:
        """Raise ValueError, which msgspec reports, for a box of nothing."""
        if self.south > self.north:
            raise ValueError("`south` lies north of `north`")


class ChangesFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of `GET /v1/changes`."""

    since: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1000


def query_fields(request: web.Request, shape: type[T]) -> T:
    """Return the query string as `shape`.

    Raises:
        BadRequestError: an unknown, repeated or ill-typed field.
    """
    return _convert_fields("Query string", request.query.items(), shape)


def filters_of(text: str) -> api.Filters:
    """Return the filters that a field holds as JSON.

    Raises:
        BadRequestError: it is none, or names a filter that there is not.
    """
    return json_bodies.decoded("filters", text, api.Filters)


def image_id(request: web.Request) -> int:
    """Return the `{id}` in the path.

    Raises:
        NotFoundError: no image can have it.
    """
    text = request.match_info["id"]
    if not text.isascii() or not text.isdigit() or len(text) > _ID_DIGITS or int(text) >= 2**63:
        raise NotFoundError(f"There is no image {text}; ids are whole numbers.")
    return int(text)


async def json_body(request: web.Request, shape: type[T]) -> T:
    """Return the JSON body as `shape`; an empty body is an empty object.

    Raises:
        BadRequestError: malformed or unfitting; names the field.
        ForbiddenError: it names a file, and who asks is not the daemon's own user.
    """
    body = body_of(request) or b"{}"
    # a plan of duplicates is as long as it is, and the owner's alone
    most = None if shape is api.DedupApplyRequest else json_bodies.MOST_BYTES
    return _confined(request, await json_bodies.decoded_body(body, shape, most))


async def search_request(request: web.Request) -> api.SearchRequest:
    """Return the search that a request asks for, in whichever of the four forms it comes.

    The forms are a query string (GET), JSON, multipart/form-data, and an image file as the body
    with the rest in the query string.

    Raises:
        BadRequestError: it makes no sense; names the field.
        ForbiddenError: it names a file, and who asks is not the daemon's own user.
    """
    if request.method != "POST":
        return query_search(request, query_fields(request, SearchFields))
    if request.content_type == "multipart/form-data":
        return _confined(request, await _form(request))
    if request.content_type.startswith("image/"):
        data = body_of(request)
        return _confined(request, query_fields(request, SearchFields).search(data))
    if request.query_string:
        raise BadRequestError(
            "With a JSON body, every field belongs in it, none in the query string."
        )
    return await json_body(request, api.SearchRequest)


def query_search(request: web.Request, fields: SearchFields) -> api.SearchRequest:
    """Return the search that a query string asks for; errors as for `search_request`."""
    return _confined(request, fields.search(None))


def _confined(request: web.Request, wanted: T) -> T:
    """Return `wanted`, unless another user would have the daemon read a file for them."""
    if not peer(request).is_owner and any(
        term.raw_path() or term.url for term in json_bodies.terms(wanted)
    ):
        raise ForbiddenError(
            "The daemon reads and fetches files for its own user only; send the image itself."
        )
    return wanted


async def _form(request: web.Request) -> api.SearchRequest:
    fields: list[tuple[str, str]] = []
    data = None
    async for name, content in forms.parts(body_of(request), request.headers["Content-Type"]):
        if name == _UPLOAD_FIELD:
            data = await forms.copied(content)
        elif len(content) > _MAX_FIELD_BYTES:
            raise TooLargeError(f"Form: field `{name}` is larger than {_MAX_FIELD_BYTES:,} bytes.")
        else:
            try:
                fields.append((name, bytes(content).decode()))
            except UnicodeDecodeError:
                raise BadRequestError(
                    f"Form: the multipart body is broken: `{name}` is not UTF-8."
                ) from None
    return _convert_fields("Form", fields, SearchFields).search(data)


def _once(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    result: dict[str, str] = {}
    for name, value in fields:
        if name in result:
            raise BadRequestError(f"Field `{name}` is given twice.")
        result[name] = value
    return result


def _convert_fields(where: str, fields: Iterable[tuple[str, str]], shape: type[T]) -> T:
    try:
        return msgspec.convert(_once(fields), shape, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"{where}: {validation_message(error, shape)}") from error
