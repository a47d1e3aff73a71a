"""Vectors of pixels that somebody has encoded already: here, or at another source.

What another source says of pixels is believed once some of it was compared with what the encoder
here makes of the same pixels. Some go on to be compared, so that a source that turns bad later is
noticed, too. From a source that was caught nothing is taken until a person says so, and what it
gave is encoded again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from imgvecd.core.index.validation import can_be_embeddings
from imgvecd.core.sharing.breaker import Breaker
from imgvecd.core.sharing.refused_sources import RefusedSources
from imgvecd.core.sharing.vector_engine import VectorEngine
from imgvecd.errors import EngineError
from imgvecd.protocols import WorkQueue
from imgvecd.types import Float16Array, Float32Array

logger = logging.getLogger(__name__)

_REST_S = 30.0
_SAMPLES = 3  # compared before a source is believed
_ONE_IN = 50  # compared from then on
_SAME = 0.99  # two that are each at 0.9995 to the model are at 0.998 to each other
_MOST_COMPARED = 10_000  # that wait: an image that fails is never encoded
_MOST_TAKEN = 100_000  # that are remembered: 2,000 comparisons have told well of the source since


@dataclass
class _Source:
    """What is known of a source.

    Attributes:
        right: how many of its vectors were compared, and found right.
        offered: how many could be taken since.
        taken: digests of the pixels whose vectors were last, in order; the values mean nothing.
    """

    right: int = 0
    offered: int = 0
    taken: dict[bytes, None] = field(default_factory=dict)

    def take(self, digest: bytes) -> None:
        """Remember what is taken, for as long as the source may still turn out to be wrong."""
        self.taken[digest] = None
        if len(self.taken) > _MOST_TAKEN:
            del self.taken[next(iter(self.taken))]


class KnownVectors:
    """Asks the catalog first, then the engine. Thread-safe.

    Attributes:
        taken: how many vectors came from the engine.
    """

    def __init__(self, work: WorkQueue, engine: VectorEngine, refusals: RefusedSources) -> None:
        self._work = work
        self._engine = engine
        self._refusals = refusals
        self._breaker = Breaker(_REST_S)
        self._lock = threading.Lock()
        self._sources: dict[str, _Source] = {}
        self._compared: dict[bytes, dict[str, Float16Array]] = {}
        self.taken = 0

    @property
    def refused(self) -> tuple[str, ...]:
        """UUIDs of the sources whose vectors were wrong, and that are not believed again."""
        return tuple(sorted(self._refusals.all()))

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
        refused = self._refusals.all()
        with self._lock:
            compared: dict[str, int] = {}
            for digest, offers in found.items():
                allowed = {uuid: row for uuid, row in offers.items() if uuid not in refused}
                vector = self._believed(digest, allowed, compared)
                if vector is not None:
                    known[digest] = vector.astype(np.float32)
                    self.taken += 1
        return known

    def _believed(
        self, digest: bytes, offers: Mapping[str, Float16Array], compared: dict[str, int]
    ) -> Float16Array | None:
        """Return one of what sources offer for pixels; None to encode, and to compare with it.

        Args:
            compared: how many of a source's are in this batch; changed.
        """
        offers = {
            uuid: vector for uuid, vector in offers.items() if can_be_embeddings(vector[None]).all()
        }
        if not offers:
            return None
        sources = {uuid: self._sources.setdefault(uuid, _Source()) for uuid in offers}
        first = min(offers)
        if all(
            source.right + compared.get(uuid, 0) >= _SAMPLES for uuid, source in sources.items()
        ) and all(_are_same(vector, offers[first]) for vector in offers.values()):
            sources[first].offered += 1
            if sources[first].offered % _ONE_IN:
                sources[first].take(digest)
                return offers[first]
        if len(self._compared) < _MOST_COMPARED:
            self._compared[digest] = offers
        for uuid in offers:
            compared[uuid] = compared.get(uuid, 0) + 1
        return None

    def refuted(
        self, fingerprint: str, known: Collection[bytes], encoded: Mapping[bytes, Float32Array]
    ) -> set[bytes]:
        """Compare what was encoded here with what sources said of the same pixels.

        Args:
            known: digests of the same batch, as `of_pixels` returned vectors for.
            encoded: vectors that were made here, by digest.

        Returns: those of `known` that are of a source whose vectors are wrong.

        Raises:
            CatalogError: the catalog cannot be written.
        """
        with self._lock:
            refused = self._refusals.all()
            caught = set()
            for digest, vector in encoded.items():
                for uuid, offered in self._compared.pop(digest, {}).items():
                    if _are_same(vector, offered):
                        self._sources[uuid].right += 1
                    elif uuid not in refused:
                        caught.add(uuid)
            for uuid in caught:
                self._refusals.add(uuid)
                self._sources[uuid].right = 0  # once believed again, it is compared first
            wrong = {digest for uuid in caught for digest in self._sources[uuid].taken}
            doubted = {
                digest
                for uuid in (refused | caught) & self._sources.keys()
                for digest in self._sources[uuid].taken.keys() & known
            }
        if caught:
            again = self._work.encode_again(fingerprint, sorted(wrong))
            logger.error(
                "source %s of the shared engine has vectors that the model does not give: nothing"
                " more is taken from it; images to be encoded again: %d",
                ", ".join(sorted(caught)),
                again,
            )
        return doubted


def _are_same(one: Float16Array | Float32Array, other: Float16Array | Float32Array) -> bool:
    """Return whether two unit vectors of the same pixels can be of one model."""
    if one.shape != other.shape:
        return False
    return float(one.astype(np.float32) @ other.astype(np.float32)) >= _SAME
