"""The files of stored images, opened for whoever wants them as they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from imgvecd.errors import NotFoundError, OfflineError, UnreadableImageError
from imgvecd.types import ContentFiles, Stamp

# By the end of a name. What a browser could run, such as SVG, is not among them.
_MEDIA_TYPES = {
    b".jpg": "image/jpeg",
    b".jpeg": "image/jpeg",
    b".jpe": "image/jpeg",
    b".jfif": "image/jpeg",
    b".png": "image/png",
    b".apng": "image/apng",
    b".gif": "image/gif",
    b".webp": "image/webp",
    b".avif": "image/avif",
    b".bmp": "image/bmp",
    b".tif": "image/tiff",
    b".tiff": "image/tiff",
    b".heic": "image/heic",
    b".heif": "image/heif",
    b".jxl": "image/jxl",
    b".jp2": "image/jp2",
    b".ico": "image/x-icon",
    b".mov": "video/quicktime",
    b".mp4": "video/mp4",
}
_OTHER_PICTURE = "image/x-unknown"  # camera RAW and the rare: shown by no browser
_NEVER = (b".svg", b".svgz", b".html", b".htm", b".xml", b".xhtml", b".pdf", b".js")


@dataclass(frozen=True, slots=True)
class Original:
    """A file that is open; whoever has it closes it.

    Attributes:
        tag: another one if the bytes are others.
    """

    descriptor: int
    size_bytes: int
    name: bytes
    media_type: str
    tag: str


class OriginalStore(Protocol):
    """Which files there are. Thread-safe."""

    def content_files(self, content_id: int) -> ContentFiles | None:
        """Return the files that bear an image; None if there are none."""
        ...

    def films(self, content_id: int) -> list[tuple[bytes, Stamp]]:
        """Return (path, stamp) of the films that belong to an image, online ones only."""
        ...


class Originals:
    """Opens them. Thread-safe.

    Args:
        open_file: opens a regular file at an absolute path, below its root; raises OSError.
    """

    def __init__(self, store: OriginalStore, open_file: Callable[[bytes], int]) -> None:
        self._store = store
        self._open_file = open_file

    def original(self, content_id: int) -> Original:
        """Open a file that bears the image and is as it was when it was read.

        Raises:
            NotFoundError: there is no such image, or it is of a kind that is not handed out.
            OfflineError: no such file can be reached.
        """
        content_files = self._store.content_files(content_id)
        if content_files is None:
            raise NotFoundError(f"there is no image {content_id}")
        why = content_files.offline_reason or "its files are being read anew"
        return self._first(content_files.online, why, content_files.hash.hex())

    def film(self, content_id: int) -> Original:
        """Open the film that belongs to the image; errors as for `original`."""
        if self._store.content_files(content_id) is None:
            raise NotFoundError(f"there is no image {content_id}")
        films = self._store.films(content_id)
        if not films:
            raise NotFoundError(f"image {content_id} has no film")
        return self._first(films, "it is being read anew", None)

    def _first(
        self,
        files: list[tuple[bytes, Stamp]] | tuple[tuple[bytes, Stamp], ...],
        why: str,
        tag: str | None,
    ) -> Original:
        for path, stamp in files:
            name = os.path.basename(path)
            ending = os.path.splitext(name.lower())[1]
            if ending in _NEVER:
                raise NotFoundError("files of this kind are not handed out")
            try:
                descriptor = self._open_file(path)
            except (OSError, UnreadableImageError) as error:
                why = getattr(error, "strerror", None) or str(error)
                continue
            status = os.fstat(descriptor)
            if not Stamp.of(status).same_bytes(stamp):
                os.close(descriptor)
                why = "it has changed, and is being read anew"
                continue
            return Original(
                descriptor,
                status.st_size,
                name,
                _MEDIA_TYPES.get(ending, _OTHER_PICTURE),
                tag or hashlib.blake2b(repr((path, stamp)).encode(), digest_size=16).hexdigest(),
            )
        raise OfflineError(f"no file of this image can be read at the moment: {why}")
