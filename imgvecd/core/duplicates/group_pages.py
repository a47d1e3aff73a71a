"""Pages of groups: each begins after the last group of the one before, whatever came or went."""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

from imgvecd.api import DuplicatesRequest
from imgvecd.errors import BadRequestError

Place = tuple[int, int]
"""Of a group: (place of its kind among the kinds, lowest id in it)."""


class _Cursor(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """After which group a page begins, and what was asked."""

    asked: str
    place: Place


def cursor_after(request: DuplicatesRequest, place: Place) -> str:
    """Return what asks for the groups after the one at `place`."""
    packed = msgspec.msgpack.encode(_Cursor(_digest(request), place))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def place_of(request: DuplicatesRequest) -> Place | None:
    """Return the place of the group after which the request's page begins; None: the first page.

    Raises:
        BadRequestError: the cursor is none of this request.
    """
    if request.cursor is None:
        return None
    padded = request.cursor + "=" * (-len(request.cursor) % 4)
    try:
        cursor = msgspec.msgpack.decode(base64.urlsafe_b64decode(padded), type=_Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise BadRequestError("`cursor` is none that was answered") from error
    if cursor.asked != _digest(request):
        raise BadRequestError("`cursor` belongs to another request: begin without one")
    return cursor.place


def _digest(request: DuplicatesRequest) -> str:
    same = msgspec.structs.replace(request, cursor=None, limit=None)
    return hashlib.blake2b(msgspec.json.encode(same, order="sorted"), digest_size=9).hexdigest()
