"""The route of thumbnails: small pictures that a client may keep, and ask whether they are new."""

from __future__ import annotations

from typing import Literal

import msgspec
from aiohttp import web

from imgvecd.errors import NotFoundError, OfflineError, UnreadableImageError, WorkerError
from imgvecd.server.requests import image_id, query_fields
from imgvecd.server.route import Route
from imgvecd.server.services import ThumbnailService

JPEG = "image/jpeg"
# An image's id stands for its bytes; only another library under the same socket would differ.
_CACHE_CONTROL = "private, max-age=3600"


class ThumbnailFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of a thumbnail.

    Attributes:
        size: of the longer side at the most, in pixels. A few sizes, so that a kept one fits.
    """

    size: Literal[64, 128, 256, 512, 1024] = 256


class ThumbnailRoutes:
    """The handlers, over one service."""

    def __init__(self, service: ThumbnailService) -> None:
        self._service = service

    def table(self) -> list[Route]:
        """Return every route."""
        return [
            Route(
                "GET",
                "/v1/images/{id}/thumbnail",
                "Show one image small, as JPEG",
                self.thumbnail,
                None,
                query=ThumbnailFields,
                other={JPEG: None},
                errors=(NotFoundError, OfflineError, UnreadableImageError, WorkerError),
                members=True,
                conditional=True,
            )
        ]

    async def thumbnail(self, request: web.Request) -> web.Response:
        """Answer a picture, or that the one that the client has is right."""
        size = query_fields(request, ThumbnailFields).size
        wanted = await self._service.find(image_id(request), size)
        headers = {"ETag": f'"{wanted.name}"', "Cache-Control": _CACHE_CONTROL}
        known = request.if_none_match or ()
        if any(tag.value in {wanted.name, "*"} for tag in known):
            return web.Response(status=304, headers=headers)
        picture = await self._service.picture(wanted)
        return web.Response(body=picture, content_type=JPEG, headers=headers)
