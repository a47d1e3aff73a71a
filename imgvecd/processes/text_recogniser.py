"""Reading text in pictures at a distance: one child process that gets pixels and gives lines."""

from __future__ import annotations

import msgspec

from imgvecd.config.schema import OcrConfig
from imgvecd.core.slots import Slots
from imgvecd.processes.worker_messages import (
    Answer,
    Failed,
    TextArguments,
    TextRead,
    TextRequest,
)
from imgvecd.processes.worker_pool import WorkerKind, WorkerPool
from imgvecd.types import Lane, Pixels, Priority

_IDLE_S = 60.0  # starting one takes some seconds of processor
_PICTURES_PER_WORKER = 5_000
_MOST_BYTES = 1 << 16  # of an answer's body, which is empty
_MOST_CHARACTERS = 20_000  # more than any worker of ours answers


class TextRecogniserProcess:
    """A `protocols.TextRecogniser`, started on demand and stopped when idle.

    Thread-safety: the event loop's thread only.

    Args:
        fingerprint: of what the worker computes.
        longest: pixels of the longer side that it wants pictures to have, at the most.
        module: of the worker, run with `python -m`.
    """

    def __init__(
        self,
        config: OcrConfig,
        priority: Priority,
        *,
        fingerprint: str,
        longest: int,
        module: str = "imgvecd.workers.read_text",
    ) -> None:
        self.fingerprint = fingerprint
        self.longest = longest
        arguments = TextArguments(config.memory_mb, config.threads, priority)
        kind: WorkerKind[TextRequest] = WorkerKind(
            "text recogniser",
            "reading text in",
            module,
            msgspec.json.encode(arguments).decode(),
            timeout_s=config.timeout_s,
            idle_s=_IDLE_S,
            most_asked=_PICTURES_PER_WORKER,
            most_bytes=_MOST_BYTES,
            fits=_fits,
        )
        self._pool = WorkerPool(kind, {Lane.BULK: Slots(1)})

    @property
    def sandbox(self) -> tuple[str, ...]:
        """See `protocols.TextRecogniser.sandbox`."""
        return self._pool.sandbox

    async def read(self, pixels: Pixels) -> str:
        """See `protocols.TextRecogniser.read`."""
        request = TextRequest(pixels.width, pixels.height)
        answer, _ = await self._pool.run(request, [pixels.data])
        assert isinstance(answer, TextRead)  # noqa: S101  # it fits
        return "\n".join(answer.lines)

    async def close(self) -> None:
        """Stop the worker; a later picture starts a new one."""
        await self._pool.close()


def _fits(_: TextRequest, answer: Answer, body: bytes) -> bool:
    if isinstance(answer, TextRead):
        return not body and sum(map(len, answer.lines)) <= _MOST_CHARACTERS
    return isinstance(answer, Failed)
