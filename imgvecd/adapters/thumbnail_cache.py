"""Thumbnails on disk, in the user's cache folder: private, bounded, and free to be deleted."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import threading

from imgvecd.core.files.durable import read_whole

logger = logging.getLogger(__name__)

_BEGIN, _END = b"\xff\xd8", b"\xff\xd9"  # of a JPEG: what a power cut left behind has not both
_KEPT_SHARE = 0.8  # of the limit, after making room: so that not every picture makes room again


class ThumbnailCache:
    """Files by name; those not asked for longest go first. Thread-safe.

    Args:
        directory: made on first use, mode 0700.
        limit_bytes: of all files together.
    """

    def __init__(self, directory: str, limit_bytes: int) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._bytes: int | None = None  # not counted yet
        self._works = True

    def get(self, name: str) -> bytes | None:
        """Return a thumbnail that is there and whole."""
        path = self._path(name)
        try:
            picture = read_whole(path)
            os.utime(path)  # asked for just now
        except OSError:
            return None
        return picture if picture.startswith(_BEGIN) and picture.endswith(_END) else None

    def put(self, name: str, picture: bytes) -> None:
        """Keep a thumbnail; a cache that cannot be written is only slower."""
        path = self._path(name)
        try:
            self._write(path, picture)
        except OSError as error:
            if self._works:
                logger.warning("no thumbnails are kept: %s", error)
            self._works = False
            return
        with self._lock:
            counted = self._bytes
            self._bytes = self._count() if counted is None else counted + len(picture)
            if self._bytes > self._limit_bytes:
                self._bytes = self._make_room()

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name[:2], f"{name}.jpg")

    def _write(self, path: str, picture: bytes) -> None:
        folder = os.path.dirname(path)
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
        try:
            with open(descriptor, "wb") as file:
                file.write(picture)
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def _count(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _make_room(self) -> int:
        """Delete the files asked for longest ago; return how many bytes are left."""
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= _KEPT_SHARE * self._limit_bytes:
                break
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            total -= size
        return total

    def _files(self) -> list[tuple[int, int, str]]:
        """Return (last asked for, size in bytes, path) of everything that is kept."""
        found = []
        for folder, _, names in os.walk(self._directory):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(FileNotFoundError):  # another daemon makes room, too
                    status = os.stat(path)
                    found.append((status.st_mtime_ns, status.st_size, path))
        return found
