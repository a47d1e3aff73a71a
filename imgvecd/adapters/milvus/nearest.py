"""Finds the nearest vectors of a model: by the IVF index, ranked anew by exact scores.

Growing segments are compared one by one by Milvus, sealed ones by their index over vectors of 8
bits; so more is asked for than is wanted, and the vectors come along for the ranking. HNSW, which
most take, found 0.46 of the ten best among many once a filter lets a part of the images pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from pymilvus import MilvusClient

from imgvecd.adapters.milvus.collections import LISTS, VectorCollection
from imgvecd.adapters.milvus.filters import NOBODY, of_images
from imgvecd.adapters.milvus.milvus_connection import CALL_S
from imgvecd.core.sharing.vector_engine import Where
from imgvecd.types import Float32Array

MOST = 16_384
"""Rows that Milvus answers to one call."""

FEW = 10_000
"""Images of a filter of which every list is looked through."""

_SPARE = 20  # asked for beside what is wanted: the index' order is by rounded vectors
_TIE = 1e-6
_TOLD = ("key", "content", "facts", "source", "vector")


def nearest(
    client: MilvusClient,
    collection: VectorCollection,
    query: Float32Array,
    k: int,
    test: str,
    probes: int | None = None,
) -> list[tuple[float, dict[str, Any]]]:
    """Return (exact score, row) of the best k, ties by ascending key.

    Args:
        test: an expression; empty for all.
        probes: None takes what was measured.
    """
    if probes is None:
        probes = collection.probes
        if test:  # few are compared all: which lists they are in, nobody has measured
            few = count_passing(client, collection.name, test) <= FEW
            probes = LISTS if few else collection.probes_filtered
    wanted = min(MOST, k + max(_SPARE, k // 2))
    while True:
        (hits,) = client.search(
            collection.name,
            [query.tolist()],
            limit=wanted,
            filter=test,
            output_fields=list(_TOLD),
            search_params={"params": {"nprobe": probes}},
            consistency_level="Session",
            timeout=CALL_S,
        )
        rows = [{**hit["entity"], "key": hit["key"]} for hit in hits]
        if not rows:
            return []
        scores = collection.restored([row["vector"] for row in rows]) @ query
        order = np.lexsort(([row["key"] for row in rows], -scores))
        best = scores[order[:k]]
        # where as many as were asked for are as good as the last wanted, others may be, too
        if len(rows) < wanted or wanted == MOST or scores.min() < best[-1] - _TIE:
            return [(float(scores[i]), rows[i]) for i in order[:k].tolist()]
        wanted = min(MOST, 4 * wanted)


def passing(where: Where, numbers: Iterable[int]) -> str:
    """Return the expression of which images a search may find; empty for all.

    Args:
        numbers: of the sources that have the names of `where`.
    """
    tests = []
    if where.names:
        wanted = [number for number in numbers if number != where.without]
        tests.append(f"source in {wanted}" if wanted else NOBODY)
    elif where.without is not None:
        tests.append(f"source != {where.without:d}")
    return " and ".join(filter(None, [*tests, of_images(where.filters)]))


def count_passing(client: MilvusClient, collection: str, test: str) -> int:
    """Return how many rows pass; all if `test` is empty."""
    (row,) = client.query(
        collection,
        filter=test,
        output_fields=["count(*)"],
        consistency_level="Session",
        timeout=CALL_S,
    )
    return int(row["count(*)"])
