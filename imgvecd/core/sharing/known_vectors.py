"""Vectors of pixels that somebody has encoded already: here, or at another source."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from imgvecd.core.index.validation import can_be_embeddings
from imgvecd.core.sharing.breaker import Breaker
from imgvecd.core.sharing.vector_engine import VectorEngine
from imgvecd.errors import EngineError
from imgvecd.protocols import WorkQueue
from imgvecd.types import Float32Array

logger = logging.getLogger(__name__)

_REST_S = 30.0


class KnownVectors:
    """Asks the catalog first, then the engine. Thread-safe.

    Attributes:
        taken: how many vectors came from the engine.
    """

    def __init__(self, work: WorkQueue, engine: VectorEngine) -> None:
        self._work = work
        self._engine = engine
        self._breaker = Breaker(_REST_S)
        self.taken = 0

    def of_pixels(self, fingerprint: str, digests: Sequence[bytes]) -> dict[bytes, Float32Array]:
        """Return the vectors (shape (dim,)) that the model gave these very pixels, by digest.

        An engine that does not answer knows none: the images are encoded.

        Raises:
            CatalogError: the catalog cannot be read.
        """
        known = self._work.vectors_of_pixels(fingerprint, digests)
        missing = [digest for digest in digests if digest not in known]
        if not missing:
            return known
        try:
            found = self._breaker.call(self._engine.vectors_of_pixels, fingerprint, missing)
        except EngineError as error:
            logger.debug("no vectors from the shared engine: %s", error)
            return known
        for digest, vector in found.items():
            if can_be_embeddings(vector[None]).all():
                known[digest] = vector.astype(np.float32)
                self.taken += 1
        return known
