"""Reads multipart forms (RFC 7578) out of a body that has arrived: in linear time, in few parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from imgvecd.errors import BadRequestError

_MOST_PARTS = 64  # a search has about twenty fields
_MOST_HEADER_BYTES = 8192  # of one part; as long as a line of a request's own head
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
_DISPOSITION = re.compile(
    rb"(?:^|\r\n)content-disposition:\s*form-data\s*(;[^\r\n]*)", re.IGNORECASE
)
_NAME = re.compile(rb';\s*name=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)


class Part(NamedTuple):
    """One field of a form."""

    name: str
    data: bytes


def parts(body: bytes, content_type: str) -> Iterator[Part]:
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
    delimiter = b"--" + (found[1] or found[2]).encode()
    at = _first(body, delimiter)
    for _ in range(_MOST_PARTS):
        if body.startswith(b"--", at):
            return
        head_end = body.find(b"\r\n\r\n", at, at + _MOST_HEADER_BYTES)
        end = body.find(b"\r\n" + delimiter, head_end + 2)
        if not body.startswith(b"\r\n", at) or head_end < 0 or end < 0:
            raise BadRequestError(
                "Form: the multipart body is broken: a part needs a head of "
                f"{_MOST_HEADER_BYTES:,} bytes at the most, an empty line, and the boundary."
            )
        yield Part(_name(body[at:head_end]), body[head_end + 4 : end])
        at = end + 2 + len(delimiter)
    if not body.startswith(b"--", at):
        raise BadRequestError(f"Form: it has more than {_MOST_PARTS} parts.")


def _first(body: bytes, delimiter: bytes) -> int:
    """Return where the first delimiter ends; what comes before it means nothing."""
    at = 0 if body.startswith(delimiter) else body.find(b"\n" + delimiter) + 1
    if at == 0 and not body.startswith(delimiter):
        raise BadRequestError("Form: the multipart body is broken: its boundary never comes.")
    return at + len(delimiter)


def _name(head: bytes) -> str:
    disposition = _DISPOSITION.search(head)
    found = disposition and _NAME.search(disposition[1])
    if not found:
        raise BadRequestError("Form: every part needs a name and plain content.")
    try:
        return (found[1] if found[1] is not None else found[2]).decode()
    except UnicodeDecodeError:
        raise BadRequestError("Form: a part has a name that is not UTF-8.") from None
