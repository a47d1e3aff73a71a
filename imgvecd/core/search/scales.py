"""The scales of relevance of one model and library, measured beside the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import numpy as np

from imgvecd.core.search.best_scores import Prior
from imgvecd.core.search.query_vectors import TermEncoder
from imgvecd.core.search.relevance import REFERENCE_TEXTS, Ordinary, Relevance, Scale, Shape
from imgvecd.core.slots import Slots
from imgvecd.core.threads import INTERACTIVE, asker
from imgvecd.errors import ImgvecdError
from imgvecd.protocols import EmbeddingSource, SearchStore, VectorIndex
from imgvecd.types import Float32Array, Lane, ModelInfo

T = TypeVar("T")

logger = logging.getLogger(__name__)

_REFERENCE_BATCH = 32  # texts; a person's query waits for one batch at the most


class Scales:
    """Measures what cosines mean. For one event loop.

    Args:
        terms: encodes the reference texts.
    """

    def __init__(
        self,
        model: ModelInfo,
        index: VectorIndex,
        terms: TermEncoder,
        embeddings: EmbeddingSource,
        store: SearchStore,
    ) -> None:
        self._model = model
        self._index = index
        self._terms = terms
        self._embeddings = embeddings
        self._store = store
        self._relevance = Relevance(self._sample)
        self._measuring = Slots(1)
        self._measures: set[asyncio.Task[Any]] = set()
        self._is_renewing = False
        self._renewed_at = -1  # images in the library when it was last tried

    @property
    def knows_texts(self) -> bool:
        """Whether the reference texts have been learnt."""
        return self._relevance.knows_texts

    async def ordinary(self, shape: Shape) -> Ordinary | None:
        """Return what ordinary queries get; None if that is not known yet.

        It is measured in a thread, with no other measuring beside it, and once for all who wait. A
        caller that leaves leaves the thread behind: nobody else may measure until it ends.
        """
        return await asyncio.shield(self._begun(self._measure(shape)))

    def keep_up(self) -> None:
        """Measure anew what a library that has changed makes due; nobody waits for it."""
        images = len(self._index)
        is_tried = self._is_renewing or images == self._renewed_at
        if not is_tried and self._relevance.is_due(images):
            self._is_renewing, self._renewed_at = True, images
            self._begun(self._renew())

    def _begun(self, measuring: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(measuring)
        self._measures.add(task)
        task.add_done_callback(self._measured)
        return task

    @property
    def edition(self) -> int:
        """Changes whenever scales do although the library has not."""
        return self._relevance.edition

    def known(self, vector: Float32Array, shape: Shape, prior: Prior) -> tuple[bool, Scale | None]:
        """Return (whether it is known, the scale of a query, shape (dim,)). Any thread may ask.

        Where it is not, it is once `ordinary` was asked; None for one that cannot be told.

        Args:
            prior: of its texts.
        """
        return self._relevance.known_scale(vector, shape, len(self._index), prior)

    async def _measure(self, shape: Shape) -> Ordinary | None:
        who = asker.get()
        async with self._measuring.slot(who and who.client):
            asker.set(None)  # whoever measures keeps all others waiting, so it takes no more turns
            if not self._relevance.knows_texts:
                await self._recall_texts()
            known = self._relevance.known_ordinary(shape, len(self._index))
            if known is not None:  # who came before has measured it
                return known
            return await INTERACTIVE.run(self._relevance.ordinary, shape, len(self._index))

    async def _renew(self) -> None:
        try:
            async with self._measuring.slot(None):
                asker.set(None)
                await INTERACTIVE.run(self._relevance.renew, len(self._index))
        except ImgvecdError as error:
            logger.warning("relevance stays as it was before the library changed: %s", error)
        finally:
            self._is_renewing = False

    def _measured(self, measuring: asyncio.Task[Any]) -> None:
        self._measures.discard(measuring)
        if not measuring.cancelled():
            measuring.exception()  # whoever asked may have left

    async def _recall_texts(self) -> None:
        kept = await self._terms.kept_texts(REFERENCE_TEXTS)
        if len(kept) == len(REFERENCE_TEXTS):
            self._relevance.learn_texts(np.stack([kept[text] for text in REFERENCE_TEXTS]))

    async def learn_texts(self) -> bool:
        """Encode the reference texts unless they are kept; return whether they are known now."""
        try:
            for start in range(0, len(REFERENCE_TEXTS), _REFERENCE_BATCH):
                batch = REFERENCE_TEXTS[start : start + _REFERENCE_BATCH]
                await self._terms.texts(batch, Lane.BULK)
        except ImgvecdError as error:
            logger.debug("reference texts are not encoded: %s", error)
            return False
        async with self._measuring.slot(None):
            await self._recall_texts()
        return self._relevance.knows_texts

    def _sample(self, count: int) -> Float32Array:
        ids = self._store.sample_ids(self._model.fingerprint, count)
        found = self._embeddings.embeddings(self._model.fingerprint, ids)
        rows = [found[content_id] for content_id in ids if content_id in found]
        return np.stack(rows) if rows else np.empty((0, self._model.dim), np.float32)
