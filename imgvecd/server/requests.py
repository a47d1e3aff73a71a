"""Reads requests into the structs of the API; every search becomes the same `SearchRequest`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, TypeVar

import msgspec
from aiohttp import BodyPartReader, web

from imgvecd import api
from imgvecd.errors import BadRequestError, NotFoundError, TooLargeError

T = TypeVar("T")
Order = Literal["score", "newest", "oldest", "path"]
Group = Literal["day", "folder", "near-duplicates"]

# Form fields other than the image are a few words; the model reads 77 tokens of text at the most.
_MAX_FIELD_BYTES = 16 * 1024
_UPLOAD_FIELD = "image"


class SearchFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A search by plain text fields: a query string, or the fields of a form.

    Attributes:
        filters: a JSON object of `api.Filters`.
    """

    text: str | None = None
    path: str | None = None
    path_base64: str | None = None
    id: int | None = None
    limit: api.Limit = 20
    min_score: Annotated[float, msgspec.Meta(ge=-1, le=1)] | None = None
    min_relevance: api.Share | None = None
    all: bool = False
    filters: str = "{}"
    order: Order = "score"
    cursor: str | None = None
    group: Group | None = None
    explain: bool = False

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
        parts = (self.path, self.path_base64, self.id, data)
        image = None
        if any(part is not None for part in parts):
            image = api.Term(path=self.path, path_base64=self.path_base64, id=self.id, data=data)
        return api.SearchRequest(
            text=self.text,
            image=image,
            limit=self.limit,
            min_score=self.min_score,
            min_relevance=self.min_relevance,
            all=self.all,
            filters=msgspec.json.decode(self.filters, type=api.Filters),
            order=self.order,
            cursor=self.cursor,
            group=self.group,
            explain=self.explain,
        )


class PageFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of `GET /v1/images`."""

    after: Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)] = -1
    limit: api.Limit = 100


class ChangesFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of `GET /v1/changes`."""

    since: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1000


def query_fields(request: web.Request, shape: type[T]) -> T:
    """Return the query string as `shape`.

    Raises:
        BadRequestError: an unknown, repeated or ill-typed field.
    """
    return _convert_fields(_once(request.query.items()), shape)


def image_id(request: web.Request) -> int:
    """Return the `{id}` in the path.

    Raises:
        NotFoundError: no image can have it.
    """
    text = request.match_info["id"]
    if not text.isascii() or not text.isdigit() or int(text) >= 2**63:
        raise NotFoundError(f"There is no image {text}; ids are whole numbers.")
    return int(text)


async def json_body(request: web.Request, shape: type[T]) -> T:
    """Return the JSON body as `shape`; an empty body is an empty object.

    Raises:
        BadRequestError: malformed or unfitting; names the field.
    """
    body = await request.read()
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(f"Request body: {error}.") from error


async def search_request(request: web.Request) -> api.SearchRequest:
    """Return the search that a request asks for, in whichever of the four forms it comes.

    The forms are a query string (GET), JSON, multipart/form-data, and an image file as the body
    with the rest in the query string.

    Raises:
        BadRequestError: it makes no sense; names the field.
    """
    if request.method != "POST":
        return query_fields(request, SearchFields).search(None)
    if request.content_type == "multipart/form-data":
        return await _form(request)
    if request.content_type.startswith("image/"):
        return query_fields(request, SearchFields).search(await request.read())
    return await json_body(request, api.SearchRequest)


async def _form(request: web.Request) -> api.SearchRequest:
    fields: list[tuple[str, str]] = []
    data = None
    try:
        reader = await request.multipart()
        async for part in reader:
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise BadRequestError("Form: every part needs a name and plain content.")
            if part.name == _UPLOAD_FIELD:
                data = await _read_part(part, request.client_max_size)
            else:
                fields.append((part.name, (await _read_part(part, _MAX_FIELD_BYTES)).decode()))
    except (ValueError, AssertionError) as error:  # what aiohttp's reader raises for broken forms
        raise BadRequestError("Form: the multipart body is broken.") from error
    return _convert_fields(_once(fields), SearchFields).search(data)


async def _read_part(part: BodyPartReader, limit: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk():
        data += chunk
        if len(data) > limit:
            raise TooLargeError(f"Form: field `{part.name}` is larger than {limit:,} bytes.")
    return bytes(data)


def _once(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    result: dict[str, str] = {}
    for name, value in fields:
        if name in result:
            raise BadRequestError(f"Field `{name}` is given twice.")
        result[name] = value
    return result


def _convert_fields(fields: Mapping[str, str], shape: type[T]) -> T:
    try:
        return msgspec.convert(fields, shape, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequestError(f"{error}.") from error
