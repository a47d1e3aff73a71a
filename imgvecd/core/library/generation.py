"""One model at work over the library: its embedder, its index, its searcher."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from imgvecd.api import IndexStatus
from imgvecd.core.indexing import Embedder
from imgvecd.core.library.index_maintenance import IndexMaintenance, MaintainedIndex
from imgvecd.core.search import Searcher
from imgvecd.protocols import VectorIndex
from imgvecd.types import Int64Array, ModelInfo

_FEW = np.array([1], np.int64)  # enough to ask for: whether the index answers, not what


class GenerationIndex(MaintainedIndex, VectorIndex, Protocol):
    """The index as a whole: searched, kept, closed."""

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        ...

    def ids(self) -> Int64Array:
        """Return the ids of all vectors that a search can find, ascending."""
        ...

    def status(self) -> IndexStatus:
        """Return what clients are told."""
        ...

    def verify(self) -> bool:
        """Read the checkpoint through; False if it is damaged and needs a rebuild."""
        ...

    def close(self) -> None:
        """Give up files and memory; a rebuild under way ends early."""
        ...


@dataclass(frozen=True, slots=True)
class Generation:
    """What answers queries with one model, and keeps answering better."""

    model: ModelInfo
    index: GenerationIndex
    embedder: Embedder
    index_maintenance: IndexMaintenance
    searcher: Searcher

    @property
    def busy(self) -> bool:
        """Whether anything that was read is not yet searchable."""
        return self.embedder.busy or self.index_maintenance.busy

    @property
    def error(self) -> str | None:
        """What keeps the work from going on; None when all is well."""
        return self.embedder.error or self.index_maintenance.error

    def wake(self) -> None:
        """The catalog has changed."""
        self.embedder.wake()
        self.index_maintenance.wake()

    def answers(self) -> None:
        """Return once the index has answered a query; any thread may ask."""
        probe = np.zeros((1, self.model.dim), np.float32)
        probe[0, 0] = 1
        self.index.search(probe, 1, allowed=_FEW)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.embedder.run())
            tasks.create_task(self.index_maintenance.run())
            tasks.create_task(self.searcher.run())
