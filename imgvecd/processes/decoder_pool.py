"""Decoding at a distance: a few child processes, each of which may be killed at any time."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from imgvecd.config.schema import DecodeConfig
from imgvecd.core.duplicates import detail
from imgvecd.core.files.beneath import open_file
from imgvecd.core.slots import Slots
from imgvecd.errors import PASSING_ERRNOS, UnreadableImageError
from imgvecd.processes.framing import Buffer
from imgvecd.processes.opening import Opening
from imgvecd.processes.worker_messages import (
    Answer,
    DecodeArguments,
    Decoded,
    DecodeRequest,
    DecoderRequest,
    Examined,
    ExamineRequest,
    Failed,
    PixelsDecoded,
    PixelsRequest,
    SidecarRead,
    SidecarRequest,
    Thumbnail,
    ThumbnailRequest,
)
from imgvecd.processes.worker_pool import WorkerKind, WorkerPool
from imgvecd.types import (
    DecodedImage,
    ExaminedImage,
    Facts,
    Lane,
    Pixels,
    PreprocessSpec,
    Priority,
    Stamp,
)

# Workers beyond those that index, for whoever searches by a picture or looks at thumbnails: they do
# not wait for a folder of panoramas. So many for one client, and one more for others: pictures can
# be made to take as long as they may.
_MOST_INTERACTIVE = 2
_MOST_WORKERS = 16  # by default: a single disk feeds no more
_DECODES_PER_WORKER = 5_000  # then a fresh one, against whatever a C library leaks
# Of an answer: pixels for the largest models are 3 MB, thumbnails less, what text is read in more.
_MOST_BYTES = 16 << 20


class DecoderPool:
    """A `protocols.Decoder` over child processes that are started on demand and stopped when idle.

    Thread-safety: the event loop's thread only.

    Args:
        priority: of the workers.
        opener: opens a file of the library by its path; see `FileOpener.open`.
        module: of the worker, run with `python -m`.
    """

    def __init__(
        self,
        config: DecodeConfig,
        priority: Priority = Priority(),  # noqa: B008  # frozen
        *,
        opener: Callable[[bytes], int] = open_file,
        module: str = "imgvecd.workers.decode",
    ) -> None:
        self._opening = Opening(opener)
        self._config = config
        self.size = config.workers or _default_size()
        kind: WorkerKind[DecoderRequest] = WorkerKind(
            "decoder",
            "decoding",
            module,
            msgspec.json.encode(DecodeArguments(config.memory_mb, priority)).decode(),
            timeout_s=config.timeout_s,
            idle_s=config.idle_s,
            most_asked=_DECODES_PER_WORKER,
            most_bytes=_MOST_BYTES,
            fits=_fits,
        )
        interactive = min(self.size, _MOST_INTERACTIVE)
        slots = {
            Lane.BULK: Slots(self.size, self.size),
            Lane.INTERACTIVE: Slots(interactive + 1, interactive),
        }
        self._pool = WorkerPool(kind, slots)

    @property
    def running(self) -> int:
        """How many worker processes there are."""
        return self._pool.running

    @property
    def sandbox(self) -> tuple[str, ...]:
        """What keeps a worker from doing anything but decoding; empty before the first one."""
        return self._pool.sandbox

    async def decode(self, path: bytes, stamp: Stamp | None, spec: PreprocessSpec) -> DecodedImage:
        """See `protocols.Decoder.decode`."""
        request = DecodeRequest(stamp, spec, self._config.max_pixels)
        async with self._opened(path, stamp) as file:
            return await self._decoded(request, file=file)

    async def decode_bytes(self, data: bytes, spec: PreprocessSpec) -> DecodedImage:
        """See `protocols.Decoder.decode_bytes`."""
        request = DecodeRequest(None, spec, self._config.max_pixels)
        return await self._decoded(request, (data,))

    async def examine(self, path: bytes, stamp: Stamp) -> ExaminedImage:
        """See `protocols.Decoder.examine`."""
        request = ExamineRequest(stamp, self._config.max_pixels)
        async with self._opened(path, stamp) as file:
            return await self._examined(request, file=file)

    async def examine_bytes(self, data: bytes) -> ExaminedImage:
        """See `protocols.Decoder.examine_bytes`."""
        return await self._examined(ExamineRequest(None, self._config.max_pixels), (data,))

    async def thumbnail(self, path: bytes, stamp: Stamp, size: int) -> bytes:
        """See `core.library.thumbnails.Thumbnailer.thumbnail`."""
        request = ThumbnailRequest(stamp, size, self._config.max_pixels)
        async with self._opened(path, stamp) as file:
            _, picture = await self._run(request, file=file)
        return picture

    async def pixels(self, path: bytes, stamp: Stamp, longest: int) -> Pixels:
        """See `protocols.Decoder.pixels`."""
        request = PixelsRequest(stamp, longest, self._config.max_pixels)
        async with self._opened(path, stamp) as file:
            answer, pixels = await self._run(request, file=file)
        assert isinstance(answer, PixelsDecoded)  # noqa: S101  # it fits
        return Pixels(answer.width, answer.height, pixels)

    async def read_sidecar(self, path: bytes, stamp: Stamp) -> Facts:
        """See `protocols.Decoder.read_sidecar`."""
        async with self._opened(path, stamp) as file:
            request = SidecarRequest(stamp, "json" if path.lower().endswith(b".json") else "xmp")
            answer, _ = await self._run(request, file=file)
        assert isinstance(answer, SidecarRead)  # noqa: S101  # it fits
        return answer.facts

    async def close(self) -> None:
        """Stop every worker; a later decode starts new ones."""
        await self._pool.close()

    @contextlib.asynccontextmanager
    async def _opened(self, path: bytes, stamp: Stamp | None) -> AsyncIterator[int]:
        """Open a file for a worker, which cannot itself.

        Raises:
            UnreadableImageError: it cannot be opened.
        """
        try:
            async with asyncio.timeout(self._config.timeout_s):
                file = await self._opening.descriptor(path)
        except TimeoutError:
            raise UnreadableImageError("changed", "its drive does not answer") from None
        except OSError as error:
            gone = stamp is not None and error.errno in PASSING_ERRNOS
            reason = "changed" if gone else "unreadable"
            raise UnreadableImageError(reason, error.strerror or str(error)) from error
        try:
            yield file
        finally:
            os.close(file)

    async def _decoded(
        self, request: DecodeRequest, body: Sequence[Buffer] = (), file: int | None = None
    ) -> DecodedImage:
        answer, pixels = await self._run(request, body, file)
        assert isinstance(answer, Decoded)  # noqa: S101  # it fits
        return DecodedImage(answer.info, pixels)

    async def _examined(
        self, request: ExamineRequest, body: Sequence[Buffer] = (), file: int | None = None
    ) -> ExaminedImage:
        answer, pixels = await self._run(request, body, file)
        assert isinstance(answer, Examined)  # noqa: S101  # it fits
        return ExaminedImage(answer.info, answer.facts, answer.side, pixels)

    async def _run(
        self, request: DecoderRequest, body: Sequence[Buffer] = (), file: int | None = None
    ) -> tuple[Answer, bytes]:
        return await self._pool.run(request, body, file, _lane(request))


def _lane(request: DecoderRequest) -> Lane:
    """Return who waits: a person for thumbnails and for what is not in the library."""
    asked = isinstance(request, ThumbnailRequest) or request.stamp is None
    return Lane.INTERACTIVE if asked else Lane.BULK


def _fits(request: DecoderRequest, answer: Answer, body: bytes) -> bool:
    """Return whether it is an answer to the request: bad bytes may have taken over the worker."""
    match request, answer:
        case (DecodeRequest(), Decoded()):
            return len(body) == 3 * request.spec.size**2
        case (ExamineRequest(), Examined()):
            return 0 < answer.side <= detail.SIDE and len(body) == 3 * answer.side**2
        case (PixelsRequest(), PixelsDecoded()):
            sides = answer.width, answer.height
            fitting = 0 < min(sides) <= max(sides) <= request.longest
            return fitting and len(body) == 3 * answer.width * answer.height
        case (ThumbnailRequest(), Thumbnail()) | (SidecarRequest(), SidecarRead()) | (_, Failed()):
            return True
    return False


def _default_size() -> int:
    """Return one worker per core.

    With a small model decoding is most of the work; with a large one they mostly wait.
    """
    return min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
