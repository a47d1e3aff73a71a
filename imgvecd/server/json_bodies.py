"""Decodes JSON without keeping anybody waiting: in bounded time, long pictures piece by piece.

One call of the decoder holds the interpreter until its end, and a picture in base64 can be as long
as a body may be. So pictures are taken out of the text first, and put into what was decoded.
"""

from __future__ import annotations

import base64
import binascii
import io
import secrets
import time
from collections.abc import Iterator, MutableMapping, Sequence
from typing import TypeVar

import msgspec

from imgvecd import api
from imgvecd.errors import BadRequestError, TooLargeError
from imgvecd.json_bounds import MOST_VALUES, holds_too_much
from imgvecd.server.courtesy import Courtesy
from imgvecd.validation_messages import validation_message

T = TypeVar("T")

# Without long pictures. A plan of duplicates, which is longer, is the owner's own.
MOST_BYTES = 4_000_000
_SMALL_BYTES = 4096  # decoded in a few hundredths of a millisecond
# What is looked at before others are served; of twice as many characters, a picture is long.
_AT_ONCE = 1 << 16
_TOKEN_BYTES = 24  # nobody guesses it, and base64 needs no padding


def decoded(what: str, text: str | bytes, shape: type[T]) -> T:
    """Return JSON as `shape`.

    Args:
        what: the text is, for messages.

    Raises:
        BadRequestError: malformed or unfitting; names the field.
    """
    raw = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    if holds_too_much(raw):
        raise BadRequestError(f"{what}: it holds more than {MOST_VALUES:,} values.")
    try:
        return msgspec.json.decode(text, type=shape)
    except msgspec.MsgspecError as error:
        raise BadRequestError(f"{what}: {validation_message(error, shape)}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError(f"{what}: {error}.") from error


async def decoded_body(body: bytes, shape: type[T], most_bytes: int | None = MOST_BYTES) -> T:
    """Return the JSON of a body as `shape`; errors as for `decoded`.

    Args:
        most_bytes: of what is no long picture.

    Raises:
        TooLargeError: it has more.
    """
    pictures: dict[bytes, bytes] = {}
    pieces = await _without_pictures(body, pictures)
    if most_bytes is not None and sum(map(len, pieces)) > most_bytes:
        raise TooLargeError(
            f"Request body: besides pictures, JSON may have {most_bytes:,} bytes at the most."
        )
    text = b"".join(pieces)
    began = time.thread_time()
    try:
        result = decoded("Request body", text, shape)
    finally:  # refused or not, others go on first, unless it took them next to nothing
        if len(text) > _SMALL_BYTES:
            await Courtesy().rest(time.thread_time() - began)
    for term in terms(result) if pictures else ():
        if term.data in pictures:
            msgspec.structs.force_setattr(term, "data", pictures.pop(term.data))
    if pictures:
        raise BadRequestError(
            "Request body: a text in it is too long; only a picture in a search's `data` may be."
        )
    return result


def terms(value: object) -> Iterator[api.Term]:
    """Yield every term in a request, wherever it is."""
    if isinstance(value, api.Term):
        yield value
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from terms(getattr(value, name))
    elif isinstance(value, tuple):
        for item in value:
            yield from terms(item)


async def _without_pictures(
    body: bytes, pictures: MutableMapping[bytes, bytes]
) -> Sequence[bytes | memoryview]:
    """Return the text in pieces, each long picture replaced by a token, itself in base64.

    Args:
        pictures: those that were taken out are put here, by their tokens.
    """
    view = memoryview(body)
    kept: list[bytes | memoryview] = []
    done = at = 0
    while at + _AT_ONCE <= len(body):
        if body.find(b'"', at, at + _AT_ONCE) >= 0:
            at += _AT_ONCE
            continue
        begin = body.rfind(b'"', done, at) + 1
        end = body.find(b'"', at + _AT_ONCE)
        at = end = len(body) if end < 0 else end
        # what follows a quotation mark and is base64 up to the next is a string: else there would
        # be a colon, a comma or a bracket
        if begin and (picture := await _picture(view[begin:end])) is not None:
            token = secrets.token_bytes(_TOKEN_BYTES)
            pictures[token] = picture
            kept += view[done:begin], base64.b64encode(token)
            done = end
    return [*kept, view[done:]]


async def _picture(text: memoryview) -> bytes | None:
    """Return what the text is in base64, or None if it is none."""
    found, courtesy = io.BytesIO(), Courtesy()
    left = b""
    try:
        for start in range(0, len(text), _AT_ONCE):
            began = time.thread_time()
            left += text[start : start + _AT_ONCE]
            cut = len(left) - left.endswith(b"\\")  # some programs write "\/" for "/"
            plain, left = left[:cut].replace(b"\\/", b"/"), left[cut:]
            whole = len(plain) // 4 * 4
            piece = binascii.a2b_base64(plain[:whole], strict_mode=True)
            padding = plain.count(b"=", 0, whole)
            is_last = start + _AT_ONCE >= len(text)
            if len(piece) != whole // 4 * 3 - padding or (padding and not is_last):
                return None
            found.write(piece)
            left = plain[whole:] + left
            await courtesy.rest(time.thread_time() - began)
    except binascii.Error:
        return None
    return None if left else found.getvalue()
