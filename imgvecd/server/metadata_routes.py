"""The routes about what the user says of images."""

from __future__ import annotations

from functools import partial
from typing import Any

from aiohttp import web

from imgvecd import api
from imgvecd.errors import NotFoundError
from imgvecd.server.requests import image_id, json_body
from imgvecd.server.route import Route, answer
from imgvecd.server.services import MetadataService

_OF_ONE = "/v1/images/{id}/metadata"


class MetadataRoutes:
    """The handlers, over one service."""

    def __init__(self, service: MetadataService) -> None:
        self._service = service

    def table(self) -> list[Route]:
        """Return every route."""
        of_one = partial(Route, answer=api.Image, body=dict[str, Any], errors=(NotFoundError,))
        return [
            of_one("PUT", _OF_ONE, "Replace what you say of an image", self.replace),
            of_one(
                "PATCH",
                _OF_ONE,
                "Set some of what you say of an image; null takes a value away",
                self.change,
            ),
            Route(
                "POST",
                "/v1/tags",
                "Add and remove tags of images",
                self.tag,
                api.Done,
                body=api.TagRequest,
                errors=(NotFoundError,),
            ),
        ]

    async def replace(self, request: web.Request) -> web.Response:
        """Replace the values of one image; answer the image."""
        values = await json_body(request, dict[str, Any])
        return answer(await self._service.replace(image_id(request), values))

    async def change(self, request: web.Request) -> web.Response:
        """Change some values of one image; answer the image."""
        changes = await json_body(request, dict[str, Any])
        return answer(await self._service.change(image_id(request), changes))

    async def tag(self, request: web.Request) -> web.Response:
        """Tag images."""
        return answer(await self._service.tag(await json_body(request, api.TagRequest)))
