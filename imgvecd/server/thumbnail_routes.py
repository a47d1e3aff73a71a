"""The route of thumbnails: small pictures that a client may keep, and ask whether they are new."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from aiohttp import web

from imgvecd.errors import NotFoundError, OfflineError, UnreadableImageError, WorkerError
from imgvecd.server.requests import image_id, query_fields
from imgvecd.server.route import Route
from imgvecd.server.services import ThumbnailService

JPEG = "image/jpeg"
# An image's id stands for its bytes; only another library under the same socket would differ.
_CACHE_CONTROL = "private, max-age=3600"
_FOR_EVER = "private, max-age=31536000, immutable"


class ThumbnailFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Query string of a thumbnail.

    Attributes:
        size: of the longer side at the most, in pixels. A few sizes, so that a kept one fits.
        hash: the beginning of the content's hash. An address with it never means another picture,
            so a client may keep the answer for good.
    """

    size: Literal[64, 128, 256, 512, 1024, 2048, 4096] = 256
    hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8,64}$")] | None = None


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
        fields = query_fields(request, ThumbnailFields)
        source = await self._service.find(image_id(request), fields.size)
        if fields.hash and not source.name.startswith(fields.hash):
            raise NotFoundError("There is no image with this id and this hash.")
        kept = _FOR_EVER if fields.hash else _CACHE_CONTROL
        headers = {"ETag": f'"{source.name}"', "Cache-Control": kept}
        known = request.if_none_match or ()
        if any(tag.value in {source.name, "*"} for tag in known):
            return web.Response(status=304, headers=headers)
        picture = await self._service.picture(source)
        return web.Response(body=picture, content_type=JPEG, headers=headers)
