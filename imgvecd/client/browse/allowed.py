"""What a page may ask of the daemon: a list of routes, and bodies that name no file or address.

A page shows pictures; it has no business with shutting down, exporting or rebuilding, and if it
were taken over it should not be able to have the daemon read a file by its path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from imgvecd import api
from imgvecd.errors import BadRequestError, ForbiddenError
from imgvecd.json_bounds import MOST_VALUES, holds_too_much
from imgvecd.validation_messages import validation_message

_ID = r"\d{1,19}"
MOST_BODY_BYTES = 64_000_000
"""Of a request: a picture to search by, in base64."""


@dataclass(frozen=True, slots=True)
class _Allowed:
    method: str
    path: re.Pattern[str]
    body: type[Any] | None = None


def _allowed(method: str, path: str, body: type[Any] | None = None) -> _Allowed:
    return _Allowed(method, re.compile(path), body)


_TABLE = (
    _allowed("GET", "/v1/(health|status|stats|events|timeline|facets|positions|failures|saved)"),
    _allowed("GET", r"/v1/timeline/(\d{4}(-\d{2})?|undated)"),
    _allowed("GET", "/v1/images"),
    _allowed("GET", f"/v1/images/{_ID}"),
    _allowed("GET", f"/v1/images/{_ID}/(thumbnail|original|film)"),
    _allowed("PATCH", f"/v1/images/{_ID}/metadata", dict[str, Any]),
    _allowed("POST", "/v1/images/lookup", api.LookupRequest),
    _allowed("POST", "/v1/search", api.SearchRequest),
    _allowed("POST", "/v1/search/live", api.SearchRequest),
    _allowed("POST", "/v1/tags", api.TagRequest),
    _allowed("POST", "/v1/pause", api.PauseRequest),
    _allowed("POST", "/v1/resume", api.ResumeRequest),
    _allowed("POST", "/v1/retry", api.Empty),
    _allowed("POST", "/v1/move/(stop|resume)", api.Empty),
    _allowed("POST", "/v1/duplicates", api.DuplicatesRequest),
    _allowed("POST", "/v1/duplicates/decisions", api.DuplicateDecision),
    _allowed("POST", "/v1/duplicates/plan", api.DuplicatesRequest),
    _allowed("POST", "/v1/duplicates/apply", api.DedupApplyRequest),
    _allowed("POST", "/v1/duplicates/undo", api.DedupUndoRequest),
)


def allows(method: str, path: str) -> bool:
    """Return whether a page may ask that at all."""
    return _find(method, path) is not None


def checked(method: str, path: str, body: bytes) -> bytes:
    """Return the body to send on: what was understood, written anew.

    So the daemon cannot understand it otherwise than it was checked here.

    Raises:
        ForbiddenError: it names a file or an address for the daemon to read.
        BadRequestError: it is not what the route takes.
    """
    allowed = _find(method, path)
    if allowed is None or allowed.body is None:
        if body:
            raise BadRequestError("This takes no body.")
        return b""
    if holds_too_much(body):
        raise BadRequestError(f"Request body: it holds more than {MOST_VALUES:,} values.")
    try:
        value = msgspec.json.decode(body or b"{}", type=allowed.body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        message = str(error)
        if isinstance(error, msgspec.MsgspecError):
            message = validation_message(error, allowed.body)
        raise BadRequestError(f"Request body: {message}") from error
    if isinstance(value, api.SearchRequest) and any(
        term.raw_path() or term.url is not None for term in value.all_terms()
    ):
        raise ForbiddenError("A page searches by words and pictures, not by paths and addresses.")
    return msgspec.json.encode(value)


def _find(method: str, path: str) -> _Allowed | None:
    return next((row for row in _TABLE if row.method == method and row.path.fullmatch(path)), None)
