"""Pages of groups: each begins after the last group of the one before, whatever came or went."""

from __future__ import annotations

import msgspec

from imgvecd.api import DuplicatesRequest
from imgvecd.core import cursors
from imgvecd.errors import BadRequestError

Place = tuple[int, int]
"""Of a group: (place of its kind among the kinds, lowest id in it)."""


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """After which group a page begins, and what was asked."""

    asked: str
    place: Place


def cursor_after(request: DuplicatesRequest, place: Place) -> str:
    """Return what asks for the groups after the one at `place`."""
    return cursors.to_text(_Cursor(_digest(request), place))


def place_of(request: DuplicatesRequest) -> Place | None:
    """Return the place of the group after which the request's page begins; None: the first page.

    Raises:
        BadRequestError: the cursor is none of this request.
    """
    if request.cursor is None:
        return None
    try:
        cursor = cursors.from_text(request.cursor, _Cursor)
    except ValueError as error:
        raise BadRequestError("`cursor` does not come from an answer of this daemon") from error
    if cursor.asked != _digest(request):
        raise BadRequestError("`cursor` belongs to another request: begin without one")
    return cursor.place


def _digest(request: DuplicatesRequest) -> str:
    return cursors.digest(msgspec.structs.replace(request, cursor=None, limit=None))
