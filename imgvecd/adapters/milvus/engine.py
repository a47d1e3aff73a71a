"""Implements `VectorEngine` on Milvus."""

from __future__ import annotations

import contextlib
import json
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from pymilvus import MilvusClient

from imgvecd.adapters.milvus.address import encryption_warning, parameters, user_in
from imgvecd.adapters.milvus.collections import IMAGES, Collections
from imgvecd.adapters.milvus.columns import facts_in
from imgvecd.adapters.milvus.milvus_connection import WRITE_S, MilvusConnection
from imgvecd.adapters.milvus.nearest import MOST, count_passing, nearest, passing
from imgvecd.adapters.milvus.recall import RecallKeeper, measure
from imgvecd.adapters.milvus.source_writer import MilvusWriter
from imgvecd.adapters.milvus.state_rows import Record, StateRows
from imgvecd.core.sharing.vector_engine import (
    FACTS,
    PROMPT_S,
    FactStep,
    Member,
    Position,
    Recall,
    SharedImage,
    SourceState,
    VectorStep,
    Where,
    key_of_image,
)
from imgvecd.errors import EngineError
from imgvecd.types import Float16Array, Float32Array, Int64Array, ModelInfo

logger = logging.getLogger(__name__)

_PAGE = 10_000
_REMEMBERED_S = 10.0  # records of sources


class MilvusEngine:
    """An engine at a URL. Thread-safe; connects when it is needed.

    Args:
        url: as `address.parameters` takes it; without a password.
        password_file: empty for a server without authorisation.

    Raises:
        ConfigError: either makes no sense.
    """

    def __init__(self, url: str, password_file: str = "") -> None:
        given = parameters(url, password_file)
        if warning := encryption_warning(url):
            logger.warning("%s", warning)
        self._where = given["uri"].partition("://")[2]
        self._role = user_in(url)
        self._connection = MilvusConnection(given, self._where)
        self._state = StateRows()
        self._collections = Collections(self._state)
        self._writer = MilvusWriter(self._connection, self._state, self._collections)
        self._recall = RecallKeeper(self._collections)
        self._records: dict[int, Record] = {}
        self._read_at = -_REMEMBERED_S

    @property
    def name(self) -> str:
        """What kind of engine it is, for people."""
        return f"Milvus at {self._where}"

    def join(self, member: Member) -> tuple[int, bool]:
        """Return (number of the source, whether it published the same facts last time).

        A process with the same state directory takes over at once, since only one can have it. With
        another one it takes a while to see whether the former process goes on.
        """
        return self._writer.join(member, self._role)

    def use_model(self, model: ModelInfo) -> None:
        """Note a model; its collection is made when its first vectors come."""
        self._writer.use_model(model)

    def position(self, feed: str) -> Position | None:
        """Return how far a feed of the joined source is; None if it never began."""
        return self._writer.position(feed)

    def write(
        self, feed: str, since: Position, until: Position, step: FactStep | VectorStep
    ) -> None:
        """Take in a step of the joined source, then move its position: see `source_writer`."""
        self._writer.write(feed, since, until, step)

    def settle(self, fingerprint: str, questions: Callable[[], Float32Array]) -> None:
        """Measure how many lists are enough if that is due: takes as long as it takes."""
        with self._connection.client() as client:
            due = self._recall.due(client, fingerprint)
            if due is not None:
                self._recall.settle(client, *due, questions())

    def keys(self, number: int, feed: str) -> Iterator[tuple[Int64Array, list[bytes]]]:
        """Yield (content ids, digests of contents) of a source, by ascending id."""
        last, beyond = key_of_image(number, 0) - 1, key_of_image(number + 1, 0)
        with self._connection.client() as client:
            collection = None if feed == FACTS else self._collections.find(client, feed)
            if feed != FACTS and collection is None:
                return
            pages = client.query_iterator(
                collection.name if collection else IMAGES,
                batch_size=_PAGE,
                filter=f"key > {last:d} and key < {beyond:d}",
                output_fields=["key", "content"],
                consistency_level="Strong",
                timeout=WRITE_S,
            )
        try:
            while True:
                with self._connection.client():
                    rows = sorted(pages.next(), key=lambda row: int(row["key"]))
                if not rows:
                    return
                ids = np.fromiter((row["key"] for row in rows), np.int64, len(rows))
                yield ids - key_of_image(number, 0), [bytes.fromhex(r["content"]) for r in rows]
        finally:
            pages.close()

    def search(
        self, fingerprint: str, query: Float32Array, k: int, where: Where
    ) -> list[SharedImage]:
        """Return the k best images, best first, ties by ascending key."""
        with self._connection.client() as client:
            collection = self._collections.find(client, fingerprint)
            if collection is None:
                passing(where, ())  # which may refuse a filter
                return []
            test = passing(where, _named(self._sources(client), where.names))
            found = nearest(client, collection, query, k, test)
            sources = self._sources(client, of=[row["source"] for _, row in found])
            return [
                SharedImage(
                    row["key"],
                    min(1.0, max(-1.0, score)),
                    str(sources[row["source"]]["name"]),
                    facts_in(row),
                )
                for score, row in found
                if row["source"] in sources  # else it was just forgotten
            ]

    def count(self, fingerprint: str, where: Where) -> int:
        """Return how many images with a vector a search may find."""
        with self._connection.client() as client:
            collection = self._collections.find(client, fingerprint)
            if collection is None:
                return 0
            test = passing(where, _named(self._sources(client), where.names))
            return count_passing(client, collection.name, test)

    def vectors_of_pixels(
        self, fingerprint: str, digests: Sequence[bytes]
    ) -> dict[bytes, dict[str, Float16Array]]:
        """Return what sources say that the model gave these very pixels."""
        with self._connection.client() as client:
            collection = self._collections.find(client, fingerprint)
            if collection is None:
                return {}
            wanted = json.dumps([digest.hex() for digest in digests])
            rows = client.query(
                collection.name,
                filter=f"pixels in {wanted}",
                output_fields=["key", "source", "pixels", "vector"],
                limit=MOST,
                consistency_level="Session",
                timeout=PROMPT_S,
            )
            rows = sorted(rows, key=lambda row: -int(row["key"]))  # the lowest key stays
            sources = self._sources(client, of=[row["source"] for row in rows])
            found: dict[bytes, dict[str, Float16Array]] = {}
            for row in rows:
                if row["source"] in sources:  # else it was just forgotten
                    vector = collection.restored(row["vector"])[0].astype(np.float16)
                    offers = found.setdefault(bytes.fromhex(row["pixels"]), {})
                    with contextlib.suppress(ValueError):  # who is in may write any text
                        offers[str(uuid.UUID(sources[row["source"]]["uuid"]))] = vector
            return found

    def sources(self) -> list[SourceState]:
        """Return all sources, by number."""
        with self._connection.client() as client:
            self._prepare(client)
            records = self._state.find(client, "source/").values()
            collections = self._collections.all(client)
            found = []
            for record in sorted(records, key=lambda record: int(record["number"])):
                own = f"source == {record['number']:d}"
                counts = {
                    collection.fingerprint: count_passing(client, collection.name, own)
                    for collection in collections
                }
                found.append(
                    SourceState(
                        record["number"],
                        record["uuid"],
                        record["name"],
                        record["role"],
                        tuple(record["publishes"]),
                        record["seen_at"],
                        count_passing(client, IMAGES, own),
                        {fingerprint: count for fingerprint, count in counts.items() if count},
                    )
                )
            return found

    def measure(self, fingerprint: str, queries: Float32Array) -> Recall:
        """Measure the recall as searches are now; takes as long as it takes."""
        with self._connection.client() as client:
            collection = self._collections.find(client, fingerprint)
            if collection is None:
                raise EngineError("the shared engine has no vectors of this model")
            return measure(client, collection, queries)

    def forget(self, number: int) -> int:
        """Delete everything of a source; return how many images. Takes as long as it takes."""
        own = f"source == {number:d}"
        with self._connection.client() as client:
            sources = self._state.find(client, "source/")
            gone = [name for name, record in sources.items() if record["number"] == number]
            uuids = [sources[name]["uuid"] for name in gone]
            for uuid in uuids:
                gone += self._state.find(client, f"position/{uuid}/")
            self._state.drop(client, gone)  # first, so that a publisher of its stops
            count = count_passing(client, IMAGES, own)
            for name in (*(each.name for each in self._collections.all(client)), IMAGES):
                client.delete(name, filter=own, timeout=WRITE_S)
            return count

    def prepare(self) -> None:
        """Make the collections, or bring them up to date."""
        with self._connection.client() as client:
            self._prepare(client)

    def close(self) -> None:
        """Release the source and close connections; a call under way ends with an error."""
        with contextlib.suppress(EngineError):
            self._writer.release()
        self._connection.close()

    def _prepare(self, client: MilvusClient) -> None:
        self._state.prepare(client)
        self._collections.prepare(client)

    def _sources(self, client: MilvusClient, of: Sequence[int] = ()) -> dict[int, Record]:
        """Return the records of sources by their numbers, as of some seconds ago.

        Args:
            of: numbers that are there unless their source was just forgotten.
        """
        now = time.monotonic()
        anew = not self._records.keys() >= set(of)
        if anew or now > self._read_at + _REMEMBERED_S:
            records = self._state.find(client, "source/", fresh=anew).values()
            self._records = {int(record["number"]): record for record in records}
            self._read_at = now
        return self._records


def _named(sources: dict[int, Record], names: Sequence[str]) -> list[int]:
    return [number for number, record in sorted(sources.items()) if record["name"] in names]
