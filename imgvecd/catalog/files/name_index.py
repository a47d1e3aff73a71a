"""The words of files, folders, metadata and text in pictures, by content: an FTS5 table.

It is derived from the others.

Triggers note the contents whose words may have changed, and `catch_up` renews these before the
transaction ends, so that what is committed is in step. What was there before the table is filled in
from the newest content down, a few at a time. A table that is damaged is made anew in the same way.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from imgvecd.core.search.words import tokens

logger = logging.getLogger(__name__)

TABLE = (
    "CREATE VIRTUAL TABLE names"
    " USING fts5(file, told, seen, tokenize = 'unicode61 remove_diacritics 0')"
)
# contents below it, of those that there were, are not filled in yet
FILL_ALL = (
    "INSERT OR REPLACE INTO meta SELECT 'names_below', max(id) + 1 FROM contents"
    " HAVING max(id) IS NOT NULL"
)
_BATCH = 1000
_MOST_FILES = 100  # of one content; further copies hardly say more
_MOST_CHARACTERS = 20_000  # of one content: texts, not documents
_DISCORD = (
    "SELECT 1 FROM contents WHERE live"
    " AND id >= coalesce((SELECT value FROM meta WHERE key = 'names_below'), 0)"
    " AND id NOT IN (SELECT id FROM names_docsize) UNION ALL SELECT 1 FROM names_docsize"
    " WHERE id NOT IN (SELECT id FROM contents WHERE live) LIMIT 1"
)
_TOLD = ("title", "description", "keywords", "people", "camera", "city", "country")


def catch_up(connection: sqlite3.Connection) -> None:
    """Renew the words of contents that this transaction changed."""
    select = f"SELECT content_id FROM names_stale LIMIT {_BATCH}"
    while stale := connection.execute(select).fetchall():
        with _rebuilt_if_damaged(connection):
            _renew(connection, (content_id for (content_id,) in stale))
        connection.executemany("DELETE FROM names_stale WHERE content_id = ?", stale)


def is_filling(connection: sqlite3.Connection) -> bool:
    """Whether some of what was there before the table is not filled in yet."""
    where = "WHERE key = 'names_below'"
    return connection.execute(f"SELECT 1 FROM meta {where}").fetchone() is not None


def fill(connection: sqlite3.Connection) -> bool:
    """Fill in some of what was there before the table; return whether there is more."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'names_below'").fetchone()
    if row is None:
        return False
    ids = [
        content_id
        for (content_id,) in connection.execute(
            "SELECT id FROM contents WHERE live AND id < ? ORDER BY id DESC LIMIT ?",
            (row[0], _BATCH),
        )
    ]
    if not ids:
        connection.execute("DELETE FROM meta WHERE key = 'names_below'")
        return False
    connection.execute("UPDATE meta SET value = ? WHERE key = 'names_below'", (ids[-1],))
    with _rebuilt_if_damaged(connection):
        _renew(connection, ids)
    return True


def rebuild(connection: sqlite3.Connection) -> None:
    """Empty the table, to be filled in again."""
    connection.execute("DROP TABLE names")
    connection.execute(TABLE)
    connection.execute(FILL_ALL)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether it is the table that is damaged, and not the catalog."""
    code = getattr(error, "sqlite_errorcode", 0)
    # rows that must not be there, but for damage
    return code in {sqlite3.SQLITE_CORRUPT_VTAB, sqlite3.SQLITE_CONSTRAINT}


def mismatches(connection: sqlite3.Connection) -> bool:
    """Whether an image lacks its words that has been filled in, or there are words of none."""
    return bool(connection.execute(_DISCORD).fetchone())


def is_damaged(connection: sqlite3.Connection) -> bool:
    """Whether the table is not what FTS5 wrote; for a connection that may write."""
    try:
        connection.execute("INSERT INTO names (names) VALUES ('integrity-check')")
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return True
    return False


@contextlib.contextmanager
def _rebuilt_if_damaged(connection: sqlite3.Connection) -> Iterator[None]:
    # FTS5 writes when a savepoint ends, and would else fail with the whole transaction
    connection.execute("SAVEPOINT names")
    try:
        yield
        connection.execute("RELEASE names")
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        logger.error("the words of names are damaged: made anew")  # noqa: TRY400
        rebuild(connection)


def _renew(connection: sqlite3.Connection, content_ids: Iterable[int]) -> None:
    for content_id in content_ids:
        old = connection.execute(
            "SELECT file, told, seen FROM names WHERE rowid = ?", (content_id,)
        ).fetchone()
        new = _words_of(connection, content_id)
        if old == new:
            continue
        if old is not None:
            connection.execute("DELETE FROM names WHERE rowid = ?", (content_id,))
        if new is not None:
            connection.execute(
                "INSERT INTO names (rowid, file, told, seen) VALUES (?, ?, ?, ?)",
                (content_id, *new),
            )


def _words_of(connection: sqlite3.Connection, content_id: int) -> tuple[str, str, str] | None:
    """Return words of (files and folders, metadata, text); None for what no file bears."""
    row = connection.execute(
        "SELECT metadata, user_metadata, text FROM contents"
        " LEFT JOIN picture_texts ON content_id = id WHERE id = ? AND live",
        (content_id,),
    ).fetchone()
    if row is None:
        return None
    files = connection.execute(
        "SELECT dir, name FROM files WHERE content_id = ? ORDER BY id LIMIT ?",
        (content_id, _MOST_FILES),
    ).fetchall()
    paths = (
        os.path.join(directory, os.path.splitext(name)[0]).decode(errors="replace")
        for directory, name in files
    )
    metadata, user_metadata = map(json.loads, row[:2])
    texts = [text for key in _TOLD for text in _texts(metadata.get(key))]
    texts += [text for value in user_metadata.values() for text in _texts(value)]
    return _joined(paths), _joined(texts), _joined((row[2] or "").splitlines())


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  # JSON
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            yield each


def _joined(texts: Iterable[str]) -> str:
    # each ends with what no query asks for, so that no row of words goes on in the next
    folded = (" ".join([*tokens(text[:_MOST_CHARACTERS]), "\ue000"]) for text in texts)
    return " ".join(dict.fromkeys(folded))[:_MOST_CHARACTERS]
