"""The models that the catalog holds embeddings of."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from imgvecd.catalog.files.liveness import KEY_BITS
from imgvecd.catalog.schema.connection import Database
from imgvecd.errors import NotFoundError
from imgvecd.types import ModelInfo

_STOPPED, _WANTED = "stopped_move", "wanted_move"  # what a person has said, in `meta`


class Models:
    """Known models by fingerprint. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, fingerprint: str) -> ModelInfo | None:
        """Return what is known of a model, or None."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT info FROM models WHERE fingerprint = ?", (fingerprint,)
            ).fetchone()
            return None if row is None else msgspec.json.decode(row[0], type=ModelInfo)

    def active(self) -> list[ModelInfo]:
        """Return the models that new contents are encoded with, the oldest first."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT info FROM models WHERE active ORDER BY id")
            return [msgspec.json.decode(info, type=ModelInfo) for (info,) in rows]

    def serving(self) -> ModelInfo | None:
        """Return the model that answered queries last; None if none ever did."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT info FROM models JOIN meta ON meta.value = fingerprint"
                " WHERE meta.key = 'serving'"
            ).fetchone()
            return None if row is None else msgspec.json.decode(row[0], type=ModelInfo)

    def set_serving(self, fingerprint: str) -> None:
        """Record that this model answers queries from now on; writes nothing if it did before."""
        serving = self.serving()
        if serving is not None and serving.fingerprint == fingerprint:
            return
        with self._database.write() as (connection, _):
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('serving', ?)", (fingerprint,))

    def move_decision(self, fingerprint: str) -> bool | None:
        """Return whether a person wants to move to that model; None if nobody has said."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT key FROM meta WHERE key IN (?, ?) AND value = ?",
                (_STOPPED, _WANTED, fingerprint),
            ).fetchone()
        return None if row is None else row[0] == _WANTED

    def decide_move(self, fingerprint: str, *, wanted: bool) -> None:
        """Record whether a person wants to move to that model, and to no other."""
        with self._database.write_aside() as connection:
            connection.execute("DELETE FROM meta WHERE key IN (?, ?)", (_STOPPED, _WANTED))
            key = _WANTED if wanted else _STOPPED
            connection.execute("INSERT INTO meta VALUES (?, ?)", (key, fingerprint))

    def learn(self, info: ModelInfo) -> None:
        """Know a model, so that embeddings of it can be kept; nothing is encoded with it."""
        if self.get(info.fingerprint) is None:
            with self._database.write() as (connection, _):
                connection.execute(
                    "INSERT INTO models (fingerprint, info, active) VALUES (?, ?, 0)",
                    (info.fingerprint, msgspec.json.encode(info).decode()),
                )

    def activate(self, models: Sequence[ModelInfo]) -> None:
        """Make these the models that every live content is encoded with, and no others.

        Contents that lack an embedding are queued; the embeddings of other models stay. Writes
        nothing if these are active already.
        """
        if self.active() == list(models):
            return
        with self._database.write() as (connection, _):
            connection.execute("UPDATE models SET active = 0")
            for info in models:
                connection.execute(
                    "INSERT INTO models (fingerprint, info, active) VALUES (?, ?, 1)"
                    " ON CONFLICT (fingerprint)"
                    " DO UPDATE SET info = excluded.info, active = 1",
                    (info.fingerprint, msgspec.json.encode(info).decode()),
                )
            connection.execute(
                "DELETE FROM encode_queue"
                " WHERE model_id IN (SELECT id FROM models WHERE NOT active)"
            )
            connection.execute(
                "INSERT OR IGNORE INTO encode_queue SELECT models.id, contents.id"
                " FROM models, contents WHERE models.active AND contents.live"
                " AND contents.failure IS NULL AND NOT EXISTS"
                f" (SELECT 1 FROM embeddings WHERE key = (models.id << {KEY_BITS}) + contents.id)"
            )


def model_id(connection: sqlite3.Connection, fingerprint: str) -> int:
    """Return the row id of a model.

    Raises:
        NotFoundError: it was never activated.
    """
    row = connection.execute(
        "SELECT id FROM models WHERE fingerprint = ?", (fingerprint,)
    ).fetchone()
    if row is None:
        raise NotFoundError(f"the catalog knows no model with fingerprint {fingerprint}")
    return int(row[0])


def model_dim(connection: sqlite3.Connection, model: int) -> int:
    """Return the length of the vectors of the model with that row id."""
    ((info,),) = connection.execute("SELECT info FROM models WHERE id = ?", (model,)).fetchall()
    return msgspec.json.decode(info, type=ModelInfo).dim
