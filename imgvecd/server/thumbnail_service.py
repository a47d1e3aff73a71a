"""The seam for thumbnails."""

from __future__ import annotations

from typing import Protocol

from imgvecd.core.library.thumbnails import Wanted


class ThumbnailService(Protocol):
    """See `core.library.thumbnails.Thumbnails`, which is the real one."""

    async def find(self, content_id: int, size: int) -> Wanted:
        """Return what names the thumbnail, without making it."""
        ...

    async def picture(self, wanted: Wanted) -> bytes:
        """Return the thumbnail, a JPEG."""
        ...
