"""Small pictures of stored images, for whoever shows them: made once, kept in a bounded cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from imgvecd.core.threads import INTERACTIVE
from imgvecd.errors import NotFoundError, OfflineError, UnreadableImageError
from imgvecd.types import ContentFiles, Stamp

# Part of every name: raised when the same picture and size would give other bytes.
_VERSION = 1
# The file or its drive is at fault: another file with the same bytes may do.
_FILE_AT_FAULT = {"changed", "unreadable"}


class ContentFileStore(Protocol):
    """Which files bear an image. Thread-safe."""

    def content_files(self, content_id: int) -> ContentFiles | None:
        """Return them; None if there are none."""
        ...


class Thumbnailer(Protocol):
    """Makes thumbnails, at a distance safe from what is wrong with files."""

    async def thumbnail(self, path: bytes, stamp: Stamp, size: int) -> bytes:
        """Return the image at `path` as a JPEG, upright, in sRGB, at most `size` pixels a side.

        Raises:
            UnreadableImageError: with reason "changed" if the stamp does not fit any more.
            WorkerError: no worker could be started.
        """
        ...


class ThumbnailStore(Protocol):
    """Keeps thumbnails by name, until it needs their room. Thread-safe."""

    def get(self, name: str) -> bytes | None:
        """Return the thumbnail of that name, if it is there."""
        ...

    def put(self, name: str, picture: bytes) -> None:
        """Keep a thumbnail."""
        ...


@dataclass(frozen=True, slots=True)
class ThumbnailSource:
    """A thumbnail that can be made or read.

    Attributes:
        name: the same for the same bytes, today and after a restart; begins with the image's hash.
    """

    name: str
    size: int
    content_files: ContentFiles


class Thumbnails:
    """Finds and makes thumbnails. For one event loop."""

    def __init__(
        self, files: ContentFileStore, thumbnailer: Thumbnailer, store: ThumbnailStore | None
    ) -> None:
        self._files = files
        self._thumbnailer = thumbnailer
        self._store = store

    async def find(self, content_id: int, size: int) -> ThumbnailSource:
        """Return what names the thumbnail, without making it.

        Raises:
            NotFoundError: there is no such image.
        """
        content_files = await INTERACTIVE.run(self._files.content_files, content_id)
        if content_files is None:
            raise NotFoundError(f"there is no image {content_id}")
        return ThumbnailSource(f"{content_files.hash.hex()}-{size}-{_VERSION}", size, content_files)

    async def picture(self, source: ThumbnailSource) -> bytes:
        """Return the thumbnail, a JPEG; a kept one is there for offline images, too.

        Raises:
            OfflineError: no file with these bytes can be reached.
            UnreadableImageError: the image cannot be decoded.
            WorkerError: no decoder could be started.
        """
        if self._store is not None:
            kept = await INTERACTIVE.run(self._store.get, source.name)
            if kept is not None:
                return kept
        picture = await self._make(source)
        if self._store is not None:
            await INTERACTIVE.run(self._store.put, source.name, picture)
        return picture

    async def _make(self, source: ThumbnailSource) -> bytes:
        content_files = source.content_files
        if content_files.failure is not None:
            raise UnreadableImageError(*content_files.failure)
        why = content_files.offline_reason or "its files are being read anew"
        for path, stamp in content_files.online:
            try:
                return await self._thumbnailer.thumbnail(path, stamp, source.size)
            except UnreadableImageError as error:
                if error.reason not in _FILE_AT_FAULT:
                    raise
                why = str(error)
        raise OfflineError(f"no file of this image can be read at the moment: {why}")
