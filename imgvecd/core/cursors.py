"""Cursors as clients hold them: text that nobody need read, bound to the request it belongs to."""

from __future__ import annotations

import base64
import hashlib
from typing import TypeVar

import msgspec

C = TypeVar("C", bound=msgspec.Struct)


def to_text(cursor: msgspec.Struct) -> str:
    """Return the text that clients hand back."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).decode().rstrip("=")


def from_text(text: str, shape: type[C]) -> C:
    """Return the cursor in a text, which anybody may have made up.

    Raises:
        ValueError: there is none of this shape in it.
    """
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    try:
        return msgspec.msgpack.decode(base64.urlsafe_b64decode(padded), type=shape)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error


def digest(request: msgspec.Struct) -> str:
    """Return what names a request, of which what differs from page to page was taken out."""
    return hashlib.blake2b(msgspec.json.encode(request, order="sorted"), digest_size=9).hexdigest()
