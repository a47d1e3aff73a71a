"""Files by name as the embedder's work, for which no catalog is kept: results stay in memory."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from imgvecd.core.files.hashing import hash_file
from imgvecd.errors import UnreadableImageError
from imgvecd.types import FileRow, Float32Array, ImageInfo, Stamp


@dataclass(frozen=True, slots=True)
class EncodedFile:
    """What became of one file: an embedding, or the reason why there is none.

    Attributes:
        path: as it was given.
        stamp: of the file that was read; None if there is none.
        digest: BLAKE2b-256 of its bytes; None without an embedding.
        vector: shape (dim,).
        pixels: digest of what the model was given.
    """

    path: bytes
    stamp: Stamp | None
    digest: bytes | None = None
    vector: Float32Array | None = None
    info: ImageInfo | None = None
    pixels: bytes | None = None
    failure: str | None = None
    message: str | None = None


class ListedFiles:
    """A `protocols.WorkQueue` of files. Thread-safe."""

    def __init__(self, paths: Iterable[bytes]) -> None:
        self._waiting = dict(enumerate(paths, 1))
        self._stamps: dict[int, tuple[bytes, Stamp]] = {}
        self._done: dict[int, EncodedFile] = {}
        self._lock = threading.Lock()

    def results(self) -> list[EncodedFile]:
        """Return what became of the files, in order."""
        with self._lock:
            return [self._done[number] for number in sorted(self._done)]

    def path_of(self, file: FileRow) -> bytes:
        """Return the path of a file that was handed out."""
        return os.path.abspath(self._stamps[file.id][0])

    def give_up(self, files: Sequence[FileRow]) -> None:
        """Note that files are not what they were."""
        self.fail_files([(file, "changed", "it changed while it was read") for file in files])

    def contents_to_encode(
        self, fingerprint: str, limit: int, skip: set[int]
    ) -> list[tuple[int, FileRow]]:
        """See `protocols.WorkQueue.contents_to_encode`; a content is a file's number."""
        del fingerprint  # there is one model
        with self._lock:
            left = (number for number in self._waiting if number not in skip)
            numbers = list(itertools.islice(left, limit))  # a copy: some end here
            found = []
            for number in numbers:
                path = self._waiting[number]
                try:
                    stamp = Stamp.of(os.stat(path))
                except OSError as error:
                    self._end(number, _failed(path, None, "unreadable", error))
                    continue
                self._stamps[number] = path, stamp
                row = FileRow(number, 0, b"", os.path.basename(path), stamp, number, pending=False)
                found.append((number, row))
            return found

    def vectors_of_pixels(
        self, fingerprint: str, digests: Sequence[bytes]
    ) -> dict[bytes, Float32Array]:
        """Return nothing: no earlier results are kept."""
        del fingerprint, digests
        return {}

    def encode_again(self, fingerprint: str, digests: Sequence[bytes]) -> int:
        """Take back the vectors that the model gave these pixels; return of how many files."""
        del fingerprint
        doubted = frozenset(digests)
        with self._lock:
            again = [number for number, done in self._done.items() if done.pixels in doubted]
            for number in again:
                self._waiting[number] = self._done.pop(number).path
        return len(again)

    def commit_embeddings(
        self,
        fingerprint: str,
        encoded: Sequence[tuple[int, ImageInfo]],
        vectors: Float32Array,
        failures: Sequence[tuple[int, str, str]],
        pixels: Mapping[int, bytes],
    ) -> int:
        """See `protocols.WorkQueue.commit_embeddings`; the files' bytes are hashed here."""
        del fingerprint
        for (number, info), vector in zip(encoded, vectors, strict=True):
            path, stamp = self._stamps[number]
            try:
                digest = hash_file(os.path.abspath(path), stamp)
                done = EncodedFile(path, stamp, digest, vector, info, pixels[number])
            except (OSError, UnreadableImageError) as error:
                done = _failed(path, stamp, "changed", error)
            with self._lock:
                self._end(number, done)
        with self._lock:
            for number, reason, message in failures:
                path, stamp = self._stamps[number]
                self._end(number, EncodedFile(path, stamp, failure=reason, message=message))
        return 0

    def fail_files(self, failures: Sequence[tuple[FileRow, str, str]]) -> int:
        """Record (file, reason, message) of files that could not be read."""
        with self._lock:
            for file, reason, message in failures:
                path = self._stamps[file.id][0]
                self._end(file.id, EncodedFile(path, file.stamp, failure=reason, message=message))
        return 0

    def pending_files(self, limit: int) -> list[FileRow]:
        """Return none: nothing is read ahead."""
        del limit
        return []

    def link_contents(self, read: Sequence[tuple[FileRow, bytes]]) -> int:
        """Do nothing, as above."""
        del read
        return 0

    def keep_companions(self, read: Sequence[tuple[FileRow, object]]) -> int:
        """Do nothing, as above."""
        del read
        return 0

    def _end(self, number: int, done: EncodedFile) -> None:
        self._waiting.pop(number, None)
        self._done.setdefault(number, done)


def _failed(path: bytes, stamp: Stamp | None, reason: str, error: Exception) -> EncodedFile:
    message = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return EncodedFile(path, stamp, failure=reason, message=message)
