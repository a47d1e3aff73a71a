"""Writes as one source. Milvus has no transactions: rows first, then the position.

Whoever is killed in between finds the old position and writes the same rows again, which changes
nothing. The position is read before each step; between that and its end nothing keeps another
process out. So a source has one process, whose name is in the source's record: a second one with
another state directory is refused while the first one goes on, and one that was replaced finds out
before its next step.
"""

from __future__ import annotations

import datetime
import random
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pymilvus import MilvusClient

from imgvecd.adapters.milvus.collections import IMAGES, Collections, VectorCollection
from imgvecd.adapters.milvus.columns import FACT_FIELDS, row_of
from imgvecd.adapters.milvus.milvus_connection import CALL_S, WRITE_S, MilvusConnection
from imgvecd.adapters.milvus.state_rows import Record, StateRows
from imgvecd.core.sharing.vector_engine import (
    FACTS,
    MOST_SOURCES,
    FactStep,
    ImageFacts,
    Member,
    Position,
    VectorStep,
    key_of_image,
)
from imgvecd.errors import EngineError, PositionError, SourceTakenError
from imgvecd.types import ModelInfo

_SILENT_S = 75.0  # who publishes says so every 30 s: one that was silent for so long is gone
_BEAT_S = 10.0
_RELEASE_S = 1.0
_ROWS = 500  # written at once: some megabytes
_CHOICES = 16  # of numbers, so that two who join at once rarely take the same
_NO_PIXELS = ""


class MilvusWriter:
    """Publishes, once it has joined. Thread-safe; see `VectorEngine`."""

    def __init__(
        self, connection: MilvusConnection, state: StateRows, collections: Collections
    ) -> None:
        self._connection = connection
        self._state = state
        self._collections = collections
        self._writing = threading.RLock()
        self._models: dict[str, ModelInfo] = {}
        self._name = ""  # of the record of the source that has joined
        self._record: Record = {}
        self._beat_at = 0.0
        self._heard: dict[str, tuple[Any, float]] = {}  # beats of other processes, and since when

    def join(self, member: Member, role: str) -> tuple[int, bool]:
        """Return (number of the source, whether it published the same facts last time)."""
        name = f"source/{member.uuid}"
        with self._writing, self._connection.client() as client:
            self._name = ""
            self._state.prepare(client)
            self._collections.prepare(client)
            self._collections.forget()
            known = self._state.get(client, name)
            if known is not None:
                self._refuse_if_taken(member, known)
            number = self._free_number(client) if known is None else int(known["number"])
            record = {
                "uuid": member.uuid,
                "number": number,
                "name": member.name,
                "role": role,
                "writer": member.writer,
                "session": uuid.uuid4().hex,
                "beat": 0,
                "publishes": list(member.publishes),
                "seen_at": _now(),
            }
            self._state.put(client, {name: record})
            sources = self._state.find(client, "source/")
            if sources.get(name, {}).get("session") != record["session"]:
                raise EngineError(f"{member.name} is being published by another process")
            if known is None and _count(sources, number) > 1:  # two have joined at once
                self._state.drop(client, [name])
                raise EngineError("another source has joined at the same time")
            self._name, self._record = name, record
            self._beat_at = time.monotonic()
        return number, known is None or tuple(known["publishes"]) == member.publishes

    def _refuse_if_taken(self, member: Member, known: Record) -> None:
        """Let a process pass that replaces one of the same state directory, or one that is gone."""
        if not known["session"] or known["writer"] == member.writer:
            return  # the state directory has a lock: the other process has ended
        beat, now = (known["session"], known["beat"]), time.monotonic()
        before, since = self._heard.setdefault(member.uuid, (beat, now))
        if before != beat:
            del self._heard[member.uuid]
            raise SourceTakenError(f"{member.name} is being published by another process")
        if now < since + _SILENT_S:
            raise EngineError(
                f"{member.name} is being published by another process, or was until a moment ago:"
                " waiting to see which"
            )
        del self._heard[member.uuid]

    def _free_number(self, client: MilvusClient) -> int:
        """Return a number that no source has; if another takes it meanwhile, `join` finds out."""
        taken = {record["number"] for record in self._state.find(client, "source/").values()}
        free = [number for number in range(1, MOST_SOURCES) if number not in taken]
        if not free:
            raise EngineError(f"the shared engine has {len(taken):,} sources, which is the most")
        return random.choice(free[:_CHOICES])  # noqa: S311  # no secret

    def use_model(self, model: ModelInfo) -> None:
        """Note a model; its collection is made when its first vectors come."""
        self._models[model.fingerprint] = model

    def position(self, feed: str) -> Position | None:
        """Return how far a feed of the joined source is; None if it never began."""
        with self._writing, self._connection.client() as client:
            position = self._checked_position(client, feed)
            if time.monotonic() > self._beat_at + _BEAT_S:
                self._state.put(client, self._next_beat())
        return position

    def _checked_position(self, client: MilvusClient, feed: str) -> Position | None:
        """Return the position; raise if this process publishes no more."""
        if not self._name:
            raise EngineError("the connection to the shared engine is lost")
        place = self._place(feed)
        found = self._state.get_many(client, [self._name, place])
        if found.get(self._name, {}).get("session") != self._record["session"]:
            self._name = ""
            raise EngineError("the shared engine has another process for this source, or none")
        if place not in found or (feed != FACTS and self._collections.find(client, feed) is None):
            return None
        return Position(found[place]["clock"], found[place]["mark"])

    def write(
        self, feed: str, since: Position, until: Position, step: FactStep | VectorStep
    ) -> None:
        """Take in a step of the joined source, then move its position."""
        with self._writing, self._connection.client() as client:
            if (self._checked_position(client, feed) or Position()) != since:
                raise PositionError(
                    "the shared engine is not where this library left it: comparing by keys"
                )
            if isinstance(step, FactStep):
                self._put_facts(client, step)
            else:
                self._put_vectors(client, feed, step)
            moved = {self._place(feed): {"clock": until.clock, "mark": until.mark}}
            self._state.put(client, {**moved, **self._next_beat()})

    def _place(self, feed: str) -> str:
        return f"position/{self._record['uuid']}/{feed}"

    def _next_beat(self) -> dict[str, Record]:
        self._record = {**self._record, "beat": self._record["beat"] + 1, "seen_at": _now()}
        self._beat_at = time.monotonic()
        return {self._name: self._record}

    def _put_facts(self, client: MilvusClient, step: FactStep) -> None:
        rows = [row_of(self._record["number"], facts) for facts in step.facts]
        gone = [key_of_image(self._record["number"], content_id) for content_id in step.removed]
        collections = self._collections.all(client)
        for some in _parts(rows):
            fresh = {row["key"]: row for row in some}
            for old in _rows(client, IMAGES, list(fresh), ["stamp"]):
                if old["stamp"] == fresh[old["key"]]["stamp"]:
                    del fresh[old["key"]]
            _put(client, IMAGES, [{**row, "nothing": [0.0, 0.0]} for row in fresh.values()])
            for collection in collections:
                _renew(client, collection, {row["key"]: row for row in some})
        for some_keys in _parts(gone):
            for name in (IMAGES, *(collection.name for collection in collections)):
                client.delete(name, ids=list(some_keys), timeout=WRITE_S)

    def _put_vectors(self, client: MilvusClient, fingerprint: str, step: VectorStep) -> None:
        number = self._record["number"]
        if len(step.ids):
            model = self._models.get(fingerprint)
            if model is None:
                raise EngineError("the shared engine was not told of the model of the vectors")
            if step.vectors.shape[1] != model.dim:
                raise EngineError(
                    f"vectors of {step.vectors.shape[1]} numbers for a model of {model.dim}"
                )
            collection = self._collections.make(client, model, step.vectors)
            vectors = collection.stored(step.vectors)
            rows = []
            for content_id, content, pixels, vector in zip(
                step.ids.tolist(), step.contents, step.pixels, vectors, strict=True
            ):
                plain = row_of(number, ImageFacts(content_id, content))
                seen = _NO_PIXELS if pixels is None else pixels.hex()
                rows.append({**plain, "pixels": seen, "vector": vector})
            for some in _parts(rows):
                known = _rows(client, IMAGES, [row["key"] for row in some], FACT_FIELDS)
                facts = {row["key"]: row for row in known}
                _put(
                    client, collection.name, [{**row, **facts.get(row["key"], {})} for row in some]
                )
        gone = self._collections.find(client, fingerprint) if len(step.removed) else None
        if gone is not None:
            keys = [key_of_image(number, int(content_id)) for content_id in step.removed]
            for some_keys in _parts(keys):
                client.delete(gone.name, ids=list(some_keys), timeout=WRITE_S)

    def release(self) -> None:
        """Let another process publish as this source at once."""
        if not self._name:
            return
        with self._connection.client() as client:
            own = self._state.get_many(client, [self._name], within_s=_RELEASE_S)
            record = own.get(self._name, {})
            if record.get("session") == self._record["session"]:
                left = {self._name: {**record, "session": ""}}
                self._state.put(client, left, within_s=_RELEASE_S)


def _renew(
    client: MilvusClient, collection: VectorCollection, fresh: dict[int, dict[str, Any]]
) -> None:
    """Give the vectors of images their new facts: Milvus writes whole rows only."""
    old = _rows(client, collection.name, list(fresh), ["stamp"])
    changed = [row["key"] for row in old if row["stamp"] != fresh[row["key"]]["stamp"]]
    rows = _rows(client, collection.name, changed, ["pixels", "vector"])
    _put(client, collection.name, [{**row, **fresh[row["key"]]} for row in rows])


def _rows(
    client: MilvusClient, name: str, keys: Sequence[int], fields: Iterable[str]
) -> list[dict[str, Any]]:
    """Return the rows of those keys that there are, as they are now."""
    if not keys:
        return []
    found: list[dict[str, Any]] = client.query(
        name,
        ids=list(keys),
        output_fields=["key", *fields],
        consistency_level="Session",
        timeout=CALL_S,
    )
    return list(found)


def _put(client: MilvusClient, name: str, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        client.upsert(name, list(rows), timeout=WRITE_S)


def _parts(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), _ROWS):
        yield rows[start : start + _ROWS]


def _count(sources: dict[str, Record], number: int) -> int:
    return sum(record["number"] == number for record in sources.values())


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
