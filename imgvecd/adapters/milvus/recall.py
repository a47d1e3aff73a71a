"""How much of what a search of every list finds is found, and how many lists make it enough."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence

import numpy as np
from pymilvus import MilvusClient

from imgvecd.adapters.milvus.collections import LISTS, Collections, VectorCollection
from imgvecd.adapters.milvus.milvus_connection import CALL_S, WRITE_S
from imgvecd.adapters.milvus.nearest import count_passing, nearest
from imgvecd.core.sharing.recall_questions import DRAWN, ENOUGH, TIE, K, questions
from imgvecd.core.sharing.vector_engine import Recall
from imgvecd.types import Float32Array

logger = logging.getLogger(__name__)

MEASURE_FROM = 20_000
"""Vectors from which on searches look through a part of the lists only."""

_TENTH = "key % 10 == 3"
_TRIED = (1, 16, 32, 64, 128, 256, 512, LISTS)  # lists
_GROWN = 2  # times as many vectors as when it was measured: measured anew
_LOOK_S = 60.0
_INDEXED = 0.9  # the smallest segments never have an index
_INDEX_S = 600.0  # to wait for the indexes of segments


class RecallKeeper:
    """Has enough lists looked through; for the one thread that publishes."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._looked_at: dict[str, float] = {}
        self._unsettled: dict[str, tuple[int, int]] = {}  # most lists as measured since

    def due(self, client: MilvusClient, fingerprint: str) -> tuple[VectorCollection, int] | None:
        """Return what is to be measured, and how many vectors it has; None if nothing is."""
        now = time.monotonic()
        if now < self._looked_at.get(fingerprint, now - _LOOK_S) + _LOOK_S:
            return None
        self._looked_at[fingerprint] = now
        collection = self._collections.find(client, fingerprint)
        if collection is None:
            return None
        count = count_passing(client, collection.name, "")
        grown = count >= MEASURE_FROM and count > _GROWN * collection.measured_at
        return (collection, count) if grown else None

    def settle(
        self, client: MilvusClient, collection: VectorCollection, count: int, queries: Float32Array
    ) -> None:
        """Find out how many lists are enough, once what was written has its index.

        Milvus puts segments together and indexes them anew for a while, and nothing tells when it
        has done: so it is measured again at the next looks, until no more lists are needed than
        the last time. Until then searches look through as many as before.
        """
        client.flush(collection.name, timeout=_INDEX_S)
        _wait_for_index(client, collection.name)
        kinds = _kinds(client, collection, queries)
        of_all, filtered = (_enough(client, collection, kinds, test) for test in ("", _TENTH))
        if of_all is None or filtered is None:
            return
        before = self._unsettled.pop(collection.fingerprint, (0, 0))
        most = max(before[0], of_all), max(before[1], filtered)
        if most == before:
            self._collections.note(client, collection, most, count)
        else:
            self._unsettled[collection.fingerprint] = most


def measure(client: MilvusClient, collection: VectorCollection, queries: Float32Array) -> Recall:
    """Return the recall of searches as they are now."""
    if not collection.measured_at:
        return Recall(1.0, 1.0, "IVF_SQ8, every list", 0)
    asked = np.concatenate(_kinds(client, collection, queries))
    unfiltered, filtered = (
        _found(client, collection, asked, _best(client, collection, asked, test), test, None)
        for test in ("", _TENTH)
    )
    how = f"IVF_SQ8, {collection.probes} and {collection.probes_filtered} of {LISTS} lists"
    return Recall(unfiltered, filtered, how, len(asked))


def _enough(
    client: MilvusClient, collection: VectorCollection, kinds: Sequence[Float32Array], test: str
) -> int | None:
    """Return the least lists that find what is promised; None while searches read no index."""
    best = [_best(client, collection, some, test) for some in kinds]
    for probes in _TRIED:
        found = min(
            _found(client, collection, some, best_there, test, probes)
            for some, best_there in zip(kinds, best, strict=True)
        )
        what = "with one in ten allowed " if test else ""
        logger.info("shared engine: recall %s%.3f, %d lists", what, found, probes)
        if found >= ENOUGH:
            break
    # one list holds so much of nothing: vectors are still compared one by one
    return None if probes == 1 else probes


def _kinds(
    client: MilvusClient, collection: VectorCollection, queries: Float32Array
) -> list[Float32Array]:
    every = max(1, count_passing(client, collection.name, "") // (4 * DRAWN))
    chosen = random.randrange(every)  # noqa: S311  # a sample
    rows = client.query(
        collection.name,
        filter=f"key % {every:d} == {chosen:d}",
        output_fields=["vector"],
        limit=DRAWN,
        consistency_level="Session",
        timeout=CALL_S,
    )
    return questions(queries, collection.restored([row["vector"] for row in rows]))


def _best(
    client: MilvusClient, collection: VectorCollection, queries: Float32Array, test: str
) -> list[float]:
    """Return the score of the tenth best for each query, with every list looked through."""
    found = [nearest(client, collection, query, 4 * K, test, LISTS) for query in queries]
    return [hits[K - 1][0] if len(hits) >= K else -1.0 for hits in found]


def _found(
    client: MilvusClient,
    collection: VectorCollection,
    queries: Float32Array,
    best: list[float],
    test: str,
    probes: int | None,
) -> float:
    """Return the share of the ten best that searches find."""
    found = wanted = 0
    for query, least in zip(queries, best, strict=True):
        hits = nearest(client, collection, query, K, test, probes)
        found += sum(score >= least - TIE for score, _ in hits)
        wanted += min(K, len(hits)) if least == -1.0 else K
    return found / wanted if wanted else 1.0


def _wait_for_index(client: MilvusClient, name: str) -> None:
    """Return when searches read nearly all vectors by their index, or after ten minutes.

    Until then they compare all one by one, and find everything whatever they are told.
    """
    until = time.monotonic() + _INDEX_S
    while time.monotonic() < until:
        state = client.describe_index(name, "vector", timeout=WRITE_S)
        segments = client.list_loaded_segments(name, timeout=WRITE_S)
        rows = sum(segment.num_rows for segment in segments)
        indexed = sum(segment.num_rows for segment in segments if segment.index_name)
        if not state.get("pending_index_rows") and indexed >= _INDEXED * rows:
            return
        time.sleep(1)
