"""The routes of the files themselves: pictures and films, whole or in ranges, and nothing else."""

from __future__ import annotations

import os
import re
import urllib.parse

from aiohttp import web

from imgvecd.core.library.originals import Original
from imgvecd.core.threads import INTERACTIVE
from imgvecd.errors import NotFoundError, OfflineError
from imgvecd.server.requests import image_id
from imgvecd.server.route import Route, Work
from imgvecd.server.services import BrowsingService
from imgvecd.server.streaming import Stream

_PIECE_BYTES = 256 * 1024
# No more digits than there are bytes anywhere, and than Python reads in no time.
_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,1000})-([0-9]{0,1000})[ \t]*", re.IGNORECASE)
# Bytes; of the 255 that names can have, Chromium takes 11 until all has come (".crdownload").
_LONGEST_NAME = 240
# A picture is data whoever opens it: no script in it runs, nothing is guessed, nobody embeds it.
_HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


class OriginalRoutes:
    """The handlers, over one service.

    Args:
        write_timeout_s: clients that do not take a piece for so long are hung up on.
    """

    def __init__(self, service: BrowsingService, write_timeout_s: float) -> None:
        self._service = service
        self._write_timeout_s = write_timeout_s

    def table(self) -> list[Route]:
        """Return every route."""
        return [
            Route(
                "GET",
                f"/v1/images/{{id}}/{name}",
                summary,
                handler,
                None,
                other={media_types: None},
                errors=(NotFoundError, OfflineError),
                work=Work.STREAM,
                conditional=True,
                members=True,
            )
            for name, media_types, summary, handler in (
                (
                    "original",
                    "image/*",
                    "The picture's file, byte for byte; `Range` asks for a part",
                    self.original,
                ),
                ("film", "video/*", "The film of a Live Photo; `Range` asks for a part", self.film),
            )
        ]

    async def original(self, request: web.Request) -> web.StreamResponse:
        """Send a picture's file."""
        return await self._send(request, await self._service.original(image_id(request)))

    async def film(self, request: web.Request) -> web.StreamResponse:
        """Send the film that belongs to a picture."""
        return await self._send(request, await self._service.film(image_id(request)))

    async def _send(self, request: web.Request, file: Original) -> web.StreamResponse:
        try:
            headers = {
                **_HEADERS,
                "ETag": f'"{file.tag}"',
                "Content-Type": file.media_type,
                "Content-Disposition": _disposition(file.name),
            }
            if any(known.value in {file.tag, "*"} for known in request.if_none_match or ()):
                return web.Response(status=304, headers=headers)
            asked = _range(request, file)
            start, end = asked or (0, file.size_bytes)
            if asked and start >= end:
                headers["Content-Range"] = f"bytes */{file.size_bytes}"
                return web.Response(status=416, headers=headers)
            response = web.StreamResponse(headers=headers)
            response.content_length = end - start
            if asked:  # all of it, too: players take 200 for "no ranges here"
                response.set_status(206)
                response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size_bytes}"
            await response.prepare(request)
            stream = Stream(request, response, self._write_timeout_s)
            while start < end:
                wanted = min(_PIECE_BYTES, end - start)
                piece = await INTERACTIVE.run(os.pread, file.descriptor, wanted, start)
                if not piece:
                    break  # cut short meanwhile: the answer ends early, which clients see
                await stream.write(piece)
                start += len(piece)
            if start < end and request.transport is not None:
                request.transport.abort()
            return response
        finally:
            os.close(file.descriptor)


def _range(request: web.Request, file: Original) -> tuple[int, int] | None:
    """Return (first byte, byte after the last); None for all: without a range that makes sense.

    A range without a byte in the file begins at its end. (RFC 9110, 14.1.2; aiohttp's own reading
    takes the last 0 bytes for all of them.)
    """
    tag = f'"{file.tag}"'
    if request.headers.get("If-Range", tag) != tag:
        return None
    asked = _ONE_RANGE.fullmatch(request.headers.get("Range", ""))
    if asked is None:  # none, several, or another unit
        return None
    size = file.size_bytes
    first, last = (min(int(text), size) if text else None for text in asked.groups())
    if first is None:
        return None if last is None else (size - last, size)
    if last is not None and int(asked[2]) < int(asked[1]):
        return None
    return first, size if last is None else min(last + 1, size)


def _disposition(name: bytes) -> str:
    # RFC 6266: the plain name for old clients, the exact one where it is text
    shown = _room_for_endings(name.decode(errors="replace"))
    plain = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in shown
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{urllib.parse.quote(shown)}"


def _room_for_endings(name: str) -> str:
    """Return a name that fits on a disk with what browsers put behind it meanwhile."""
    stem, dot, ending = name.rpartition(".")
    room = _LONGEST_NAME - len(f"{dot}{ending}")
    return stem.encode()[:room].decode(errors="ignore") + dot + ending
