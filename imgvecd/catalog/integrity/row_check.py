"""Whether what lies in a catalog's rows can be read: SQLite looks at their structure only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

import msgspec

from imgvecd.catalog.files.liveness import KEY_BITS
from imgvecd.catalog.schema.stored_vectors import row_types
from imgvecd.types import ModelInfo

_JSON = {
    "contents": ("metadata", "user_metadata", "own_facts"),
    "models": ("info",),
    "saved_searches": ("search",),
    "sidecars": ("facts",),
}
_CLOCKED = ("contents", "embeddings", "changes")
_LATEST = 1 << 62  # so that the clock can go on; a thousand changes a second take longer
_PATHS = {"files": ("dir", "name"), "roots": ("path",)}
_PROBED = 8  # embeddings of a model; of these, a disk that fails spares some


def unreadable(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong with rows of a catalog of this schema, or an older one."""
    for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"):
        columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
        texts = [name for _, name, kind, *_ in columns if kind == "TEXT"]
        found = list(_texts(connection, table, texts))
        if found:
            yield from found
            continue
        for column in set(texts) & {*_JSON.get(table, ())}:
            # Python reads what SQLite does not, such as NaN
            doubtful = (
                f"SELECT {column} FROM {table}"
                f" WHERE {column} IS NOT NULL AND NOT json_valid({column})"
            )
            if not all(_is_json(text) for (text,) in connection.execute(doubtful)):
                yield f"a row of {table} has broken JSON in {column}"
        for column in _PATHS.get(table, ()):
            path = f"SELECT 1 FROM {table} WHERE instr({column}, x'00') LIMIT 1"
            if connection.execute(path).fetchone():
                yield f"a row of {table} holds no path in {column}"
        if table == "meta":
            yield from _clock(connection)
        if table == "models":
            yield from _models(connection)


def _texts(connection: sqlite3.Connection, table: str, columns: list[str]) -> Iterator[str]:
    if not columns:
        return
    # most are plain ASCII, which SQLite tells faster than Python decodes
    other = " OR ".join(f"{column} GLOB '*[^ -~]*'" for column in columns)
    try:
        for _ in connection.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {other}"):
            pass
    except sqlite3.OperationalError as error:
        if not is_undecodable(error):
            raise
        yield f"a row of {table} lacks text that is required"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _clock(connection: sqlite3.Connection) -> Iterator[str]:
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    clock, name, examined = meta.get("clock"), meta.get("instance"), meta.get("examined_at_s", 0)
    if not (isinstance(clock, int) and isinstance(name, str) and isinstance(examined, int)):
        yield "its name or one of its times is missing"
        return
    if clock > _LATEST:
        yield "its clock is impossible"
    for table in _CLOCKED:
        ((latest,),) = connection.execute(f"SELECT max(clock) FROM {table}")
        if latest is not None and latest > clock:
            yield f"a row of {table} is from the future"


def _models(connection: sqlite3.Connection) -> Iterator[str]:
    for number, fingerprint, text in connection.execute("SELECT id, fingerprint, info FROM models"):
        try:
            info = msgspec.json.decode(text, type=ModelInfo)
        except msgspec.DecodeError:
            yield f"model {number} is not described"
            continue
        lengths = connection.execute(
            "SELECT length(vector) FROM embeddings WHERE key > ? AND key < ? LIMIT ?",
            (number << KEY_BITS, (number + 1) << KEY_BITS, _PROBED),
        ).fetchall()
        expected = {dtype.itemsize for dtype in row_types(info.dim)}
        others = [length for (length,) in lengths if length not in expected]
        if info.fingerprint != fingerprint or (len(others) == len(lengths) > 1):
            yield f"model {number} is not the one of its embeddings"


def is_undecodable(error: sqlite3.Error) -> bool:
    """Whether a row held what can be no text, or no JSON, of which SQLite has no code to tell."""
    text = str(error)
    return text.startswith("Could not decode to UTF-8") or text == "malformed JSON"
