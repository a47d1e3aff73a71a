"""The collections: one of images, and one a model with its vectors and a copy of their facts.

Vectors are stored less the mean of those that came first, which ranks as they do. The mean is in
the collection's description, so that whoever makes the collection decides on it, and all use it.
A mean in fp16 makes the difference of fp16 vectors exact in fp32: they come back bit by bit.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient

from imgvecd.adapters.milvus.columns import MOST_WORDS
from imgvecd.adapters.milvus.milvus_connection import CALL_S
from imgvecd.adapters.milvus.state_rows import StateRows, make_collection
from imgvecd.types import Float16Array, Float32Array, ModelInfo

IMAGES = "imgvecd_images"
LISTS = 1024
"""Of the index of each sealed segment, which holds some 200,000 vectors of 512 at the most."""

_PREFIX = "imgvecd_vectors_"
_REMEMBERED_S = 10.0
_ENOUGH = 64  # vectors whose mean says anything of those that follow


@dataclass(frozen=True, slots=True)
class VectorCollection:
    """The collection of one model's vectors.

    Attributes:
        mean: shape (dim,), of whole fp16 numbers.
        probes: how many lists of a segment a search looks through, as measured; before that all.
        probes_filtered: the same where a filter lets a part of the images pass.
        measured_at: how many vectors there were then; 0 if never.
    """

    name: str
    fingerprint: str
    mean: Float32Array
    probes: int = LISTS
    probes_filtered: int = LISTS
    measured_at: int = 0

    def stored(self, vectors: Float16Array) -> Float32Array:
        """Return vectors (n, dim) as they are stored: exactly."""
        return vectors.astype(np.float32) - self.mean

    def restored(self, rows: Any) -> Float32Array:  # noqa: ANN401
        """Return what was stored, (n, dim), as it was: whole fp16 numbers."""
        return np.asarray(rows, np.float32).reshape(-1, len(self.mean)) + self.mean


class Collections:
    """Finds and makes collections; asks anew every few seconds. Thread-safe."""

    def __init__(self, state: StateRows) -> None:
        self._state = state
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, VectorCollection]] = {}

    def prepare(self, client: MilvusClient) -> None:
        """Make the collection of images if there is none."""
        if not client.has_collection(IMAGES, timeout=CALL_S):
            schema = _schema_of_images(client, "imgvecd")
            schema.add_field("nothing", DataType.FLOAT_VECTOR, dim=2)
            make_collection(client, IMAGES, schema, "nothing", "FLAT", "L2", {})

    def find(self, client: MilvusClient, fingerprint: str) -> VectorCollection | None:
        """Return the collection of a model; None if nobody has published its vectors."""
        now = time.monotonic()
        with self._lock:
            at, known = self._known.get(fingerprint, (-_REMEMBERED_S, None))
        if known is not None and now < at + _REMEMBERED_S:
            return known
        name = _name_of(fingerprint)
        if not client.has_collection(name, timeout=CALL_S):
            return None
        told = json.loads(client.describe_collection(name, timeout=CALL_S)["description"])
        measured = self._state.get(client, f"index/{name}", fresh=False) or {}
        mean = np.frombuffer(base64.b64decode(told["mean"]), np.float16).astype(np.float32)
        found = VectorCollection(name, fingerprint, mean, **measured)
        with self._lock:
            self._known[fingerprint] = now, found
        return found

    def make(self, client: MilvusClient, model: ModelInfo, first: Float16Array) -> VectorCollection:
        """Return the collection of a model, made if there is none.

        Args:
            first: the vectors that come first, shape (n, dim).
        """
        found = self.find(client, model.fingerprint)
        if found is not None:
            return found
        mean = np.zeros(model.dim, np.float16)
        if len(first) >= _ENOUGH:
            mean = first.mean(axis=0, dtype=np.float32).astype(np.float16)
        told = {
            "fingerprint": model.fingerprint,
            "model": model.name,
            "pretrained": model.pretrained,
            "mean": base64.b64encode(mean.tobytes()).decode(),
        }
        name = _name_of(model.fingerprint)
        schema = _schema_of_images(client, json.dumps(told))
        schema.add_field("pixels", DataType.VARCHAR, max_length=32)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=model.dim)
        make_collection(
            client, name, schema, "vector", "IVF_SQ8", "IP", {"nlist": LISTS}, ["pixels"]
        )
        made = self.find(client, model.fingerprint)
        assert made is not None  # noqa: S101  # it was made, by us or another
        return made

    def all(self, client: MilvusClient) -> list[VectorCollection]:
        """Return the collections of all models."""
        names = [name for name in client.list_collections(timeout=CALL_S) if _PREFIX in name]
        described = [client.describe_collection(name, timeout=CALL_S) for name in sorted(names)]
        fingerprints = [json.loads(each["description"])["fingerprint"] for each in described]
        found = [self.find(client, fingerprint) for fingerprint in fingerprints]
        return [each for each in found if each is not None]

    def note(
        self,
        client: MilvusClient,
        collection: VectorCollection,
        probes: tuple[int, int],
        count: int,
    ) -> None:
        """Keep how many lists a search looks through, without and with a filter."""
        measured = {
            "probes": probes[0],
            "probes_filtered": probes[1],
            "measured_at": count,
        }
        self._state.put(client, {f"index/{collection.name}": measured})
        self.forget()

    def forget(self) -> None:
        """Ask anew the next time."""
        with self._lock:
            self._known.clear()


def _name_of(fingerprint: str) -> str:
    return _PREFIX + hashlib.blake2b(fingerprint.encode(), digest_size=12).hexdigest()


def _schema_of_images(client: MilvusClient, description: str) -> Any:  # noqa: ANN401
    """Return a schema with the key and what is known of an image."""
    schema = client.create_schema(
        auto_id=False, enable_dynamic_field=False, description=description
    )
    schema.add_field("key", DataType.INT64, is_primary=True)
    schema.add_field("content", DataType.VARCHAR, max_length=32)
    schema.add_field("stamp", DataType.INT64)
    schema.add_field("facts", DataType.JSON)
    for name in ("source", "width", "height"):
        schema.add_field(name, DataType.INT32)
    schema.add_field("shape", DataType.INT8)
    for name in ("format", "taken_first", "taken_last"):
        schema.add_field(name, DataType.INT64)
    for name in ("rating", "latitude", "longitude"):
        schema.add_field(name, DataType.DOUBLE)
    for name in ("tags", "folders"):
        schema.add_field(name, DataType.ARRAY, element_type=DataType.INT64, max_capacity=MOST_WORDS)
    return schema
