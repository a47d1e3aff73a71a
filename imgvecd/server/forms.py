"""Reads multipart forms (RFC 7578) out of a body that has arrived: in linear time, in few parts.

What looks through megabytes does so piece by piece, and serves others in between.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

from imgvecd.errors import BadRequestError
from imgvecd.server.courtesy import Courtesy

_MOST_PARTS = 64  # a search has about twenty fields
_MOST_HEADER_BYTES = 8192  # of one part; as long as a line of a request's own head
_AT_ONCE = 1 << 16  # bytes that are looked at before others are served
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
_DISPOSITION = re.compile(
    rb"(?:^|\r\n)content-disposition:\s*form-data\s*(;[^\r\n]*)", re.IGNORECASE
)
_NAME = re.compile(rb';\s*name=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)


class Part(NamedTuple):
    """One field of a form."""

    name: str
    data: memoryview


async def parts(body: bytes, content_type: str) -> AsyncIterator[Part]:
    """Yield the parts of a form, as they come.

    Args:
        content_type: the whole header, which tells the boundary.

    Raises:
        BadRequestError: it is none, or has too many parts; says what is wrong.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise BadRequestError(
            "Form: the multipart body is broken: its Content-Type has no boundary."
        )
    delimiter = b"--" + (found[1] or found[2]).encode(errors="surrogateescape")
    view, courtesy = memoryview(body), Courtesy()
    at = await _first(body, delimiter, courtesy)
    for _ in range(_MOST_PARTS):
        if body.startswith(b"--", at):
            return
        head_end = body.find(b"\r\n\r\n", at, at + _MOST_HEADER_BYTES)
        end = -1
        if head_end >= 0 and body.startswith(b"\r\n", at):
            end = await _find(body, b"\r\n" + delimiter, head_end + 2, courtesy)
        if end < 0:
            raise BadRequestError(
                "Form: the multipart body is broken: a part needs a head of "
                f"{_MOST_HEADER_BYTES:,} bytes at the most, an empty line, and the boundary."
            )
        yield Part(_name(body[at:head_end]), view[head_end + 4 : end])
        at = end + 2 + len(delimiter)
    if not body.startswith(b"--", at):
        raise BadRequestError(f"Form: it has more than {_MOST_PARTS} parts.")


async def copied(content: memoryview) -> bytes:
    """Return the same as bytes, copied piece by piece."""
    copy, courtesy = io.BytesIO(), Courtesy()
    for start in range(0, len(content), _AT_ONCE):
        began = time.thread_time()
        copy.write(content[start : start + _AT_ONCE])
        await courtesy.rest(time.thread_time() - began)
    return copy.getvalue()


async def _first(body: bytes, delimiter: bytes, courtesy: Courtesy) -> int:
    """Return where the first delimiter ends; what comes before it means nothing."""
    if body.startswith(delimiter):
        return len(delimiter)
    at = await _find(body, b"\n" + delimiter, 0, courtesy)
    if at < 0:
        raise BadRequestError("Form: the multipart body is broken: its boundary never comes.")
    return at + 1 + len(delimiter)


async def _find(body: bytes, wanted: bytes, start: int, courtesy: Courtesy) -> int:
    """Return where `wanted` is, from `start` on; -1 if it is nowhere."""
    for at in range(start, len(body), _AT_ONCE):
        began = time.thread_time()
        found = body.find(wanted, at, at + _AT_ONCE + len(wanted) - 1)
        if found >= 0:
            return found
        await courtesy.rest(time.thread_time() - began)
    return -1


def _name(head: bytes) -> str:
    disposition = _DISPOSITION.search(head)
    found = disposition and _NAME.search(disposition[1])
    if not found:
        raise BadRequestError("Form: every part needs a name and plain content.")
    try:
        return (found[1] if found[1] is not None else found[2]).decode()
    except UnicodeDecodeError:
        raise BadRequestError("Form: a part has a name that is not UTF-8.") from None
