"""Bounds on what requests may cost: the size of a body, and how many large ones are in memory."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from imgvecd.errors import TooLargeError

# Above this a body counts as large; JSON requests without a picture are a few hundred bytes.
LARGE_BODY_BYTES = 1_000_000
# With the default limit of 64 MB, uploads take 256 MB of memory at the most.
LARGE_BODIES_AT_ONCE = 4


def limit_bodies() -> Middleware:
    """Return a middleware that refuses bodies that are too large, and queues large ones."""
    places = asyncio.Semaphore(LARGE_BODIES_AT_ONCE)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        size = request.content_length  # None for chunked ones, which could be of any size
        if size is not None and size > request.client_max_size:
            raise TooLargeError(
                f"The request body has {size:,} bytes; server.max_upload_mb allows "
                f"{request.client_max_size:,}."
            )
        if not request.can_read_body or (size is not None and size <= LARGE_BODY_BYTES):
            return await handler(request)
        async with places:
            return await handler(request)

    return middleware
