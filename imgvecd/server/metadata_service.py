"""The seam for what the user says of images."""

from __future__ import annotations

from typing import Any, Protocol

from imgvecd import api


class MetadataService(Protocol):
    """What a daemon keeps for the user; see `server.service.Service`.

    Every method raises NotFoundError for an image that does not exist, and BadRequestError for
    values that cannot be kept.
    """

    async def replace(self, image_id: int, values: dict[str, Any]) -> api.Image:
        """Replace everything that the user says of an image."""
        ...

    async def change(self, image_id: int, changes: dict[str, Any]) -> api.Image:
        """Set some of what the user says of an image; None takes a value away."""
        ...

    async def tag(self, request: api.TagRequest) -> api.Done:
        """Add and remove tags of images; of all, or of none if one does not exist."""
        ...
