"""What must be true of a sound file's rows, and how to make it true again."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from imgvecd.adapters.sqlite.connection import Database
from imgvecd.adapters.sqlite.liveness import KEY_BITS
from imgvecd.types import ModelInfo

_UNIT_TOLERANCE = 2e-3  # as the index has it: rounding to fp16 moves a norm by 5e-4
_ID = f"(key & ((1 << {KEY_BITS}) - 1))"
_MODEL = f"(key >> {KEY_BITS})"
_IS_BORNE = "EXISTS (SELECT 1 FROM files WHERE content_id = contents.id)"
_WANTED = (
    " FROM models, contents WHERE models.active AND contents.live AND contents.failure IS NULL"
    " AND NOT EXISTS (SELECT 1 FROM embeddings"
    f" WHERE key = (models.id << {KEY_BITS}) + contents.id)"
)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Something that no row may be, and the statement that mends it.

    Attributes:
        broken: FROM and WHERE of the rows that are.
    """

    what: str
    remedy: str
    broken: str
    mend: str


_RULES = (
    _Rule(
        "embeddings belong to no image or no model",
        "delete them",
        f"FROM embeddings WHERE {_ID} NOT IN (SELECT id FROM contents)"
        f" OR {_MODEL} NOT IN (SELECT id FROM models)",
        f"DELETE FROM embeddings WHERE {_ID} NOT IN (SELECT id FROM contents)"
        f" OR {_MODEL} NOT IN (SELECT id FROM models)",
    ),
    _Rule(
        "images are searchable without a file, or have a file and are not",
        "go by their files",
        f"FROM contents WHERE live != {_IS_BORNE}",
        f"UPDATE contents SET live = 1 - live, clock = :clock WHERE live != {_IS_BORNE}",
    ),
    _Rule(
        "images wait to be encoded that need not be",
        "take them from the queue",
        "FROM encode_queue WHERE content_id IN (SELECT id FROM contents WHERE NOT live)"
        " OR model_id IN (SELECT id FROM models WHERE NOT active)"
        f" OR (model_id << {KEY_BITS}) + content_id IN (SELECT key FROM embeddings)",
        "DELETE FROM encode_queue"
        " WHERE content_id IN (SELECT id FROM contents WHERE NOT live)"
        " OR model_id IN (SELECT id FROM models WHERE NOT active)"
        f" OR (model_id << {KEY_BITS}) + content_id IN (SELECT key FROM embeddings)",
    ),
    _Rule(
        "images lack their embedding and do not wait for it",
        "have them encoded",
        f"{_WANTED} AND NOT EXISTS (SELECT 1 FROM encode_queue WHERE model_id = models.id"
        " AND content_id = contents.id)",
        f"INSERT OR IGNORE INTO encode_queue SELECT models.id, contents.id {_WANTED}",
    ),
)


class Consistency:
    """Compares the rows of a catalog with each other. For a catalog that nobody else uses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def findings(self) -> list[tuple[str, str]]:
        """Return (what is wrong, what `mend` does about it)."""
        found = []
        bad = len(self._bad_vectors())
        if bad:
            found.append((f"{bad} embeddings are no unit vectors", "have the images encoded anew"))
        with self._database.read() as connection:
            for rule in _RULES:
                ((count,),) = connection.execute(f"SELECT count(*) {rule.broken}").fetchall()
                if count:
                    found.append((f"{count} {rule.what}", rule.remedy))
        return found

    def mend(self) -> None:
        """Make everything true, in one transaction."""
        bad = self._bad_vectors()
        with self._database.write() as (connection, clock):
            connection.executemany("DELETE FROM embeddings WHERE key = ?", [(key,) for key in bad])
            for rule in _RULES:
                named = {"clock": clock} if ":clock" in rule.mend else {}
                connection.execute(rule.mend, named)

    def _bad_vectors(self) -> list[int]:
        bad = []
        with self._database.read() as connection:
            rows = connection.execute("SELECT id, info FROM models").fetchall()
            dims = {number: msgspec.json.decode(info, type=ModelInfo).dim for number, info in rows}
            for key, vector in connection.execute("SELECT key, vector FROM embeddings"):
                dim = dims.get(key >> KEY_BITS)
                if dim is None:
                    continue  # a rule's business
                numbers = np.frombuffer(vector[: len(vector) // 2 * 2], np.float16)
                norm = np.linalg.norm(numbers.astype(np.float32))
                if len(vector) != 2 * dim or not abs(norm - 1) <= _UNIT_TOLERANCE:
                    bad.append(int(key))
        return bad
