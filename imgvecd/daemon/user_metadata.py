"""What the user says of images: implements `imgvecd.server.services.MetadataService`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from imgvecd import api
from imgvecd.core.threads import INTERACTIVE
from imgvecd.errors import NotFoundError
from imgvecd.protocols import ImageStore, UserMetadataStore


class DaemonMetadata:
    """Writes to the catalog; filters see it at once. For its event loop.

    Args:
        image: returns one image, or raises NotFoundError.
        done: returns the answer of an action, with the clock.
    """

    def __init__(
        self,
        image_store: ImageStore,
        store: UserMetadataStore,
        image: Callable[[int], Awaitable[api.Image]],
        done: Callable[[str], Awaitable[api.Done]],
    ) -> None:
        self._image_store = image_store
        self._store = store
        self._image = image
        self._done = done

    async def replace(self, image_id: int, values: dict[str, Any]) -> api.Image:
        """Replace everything that the user says of an image."""
        await self._image(image_id)
        await INTERACTIVE.run(self._store.replace, {image_id: values})
        return await self._image(image_id)

    async def change(self, image_id: int, changes: dict[str, Any]) -> api.Image:
        """Set some of what the user says of an image; None takes a value away."""
        await self._image(image_id)
        await INTERACTIVE.run(self._store.change, image_id, changes)
        return await self._image(image_id)

    async def tag(self, request: api.TagRequest) -> api.Done:
        """Add and remove tags of images; of all, or of none if one does not exist.

        Raises:
            NotFoundError: names those that do not exist.
        """
        await INTERACTIVE.run(self._tag, request.ids, request.add, request.remove)
        count = len(set(request.ids))
        return await self._done(f"tagged {count} image{'' if count == 1 else 's'}")

    def _tag(self, ids: Sequence[int], add: Sequence[str], remove: Sequence[str]) -> None:
        known = self._image_store.images(ids)
        unknown = [str(image_id) for image_id in ids if image_id not in known]
        if unknown:
            raise NotFoundError(f"there is no image {', '.join(unknown)}")
        self._store.tag(known, add, remove)
