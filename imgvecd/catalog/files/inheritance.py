"""What people said of a content passes on to the content that an edit of its file makes.

Runs inside the transaction that reads the edited file. Only bytes never seen before inherit: a file
overwritten with a known picture becomes that picture, about which everything is said already.
"""

from __future__ import annotations

import sqlite3

# A date that only the file told goes along: that the file was edited says nothing of the picture.
_METADATA = (
    "UPDATE contents SET user_metadata = old.user_metadata,"
    " taken_at = CASE WHEN old.metadata ->> 'taken_at_source' = 'file' THEN old.taken_at END"
    " FROM contents AS old WHERE old.id = :old AND contents.id = :new"
)
_DECISIONS = (
    "INSERT OR IGNORE INTO duplicate_decisions"
    " SELECT min(other, :hash), max(other, :hash), decision FROM"
    " (SELECT second_hash AS other, decision FROM duplicate_decisions WHERE first_hash = :old_hash"
    " UNION ALL SELECT first_hash, decision FROM duplicate_decisions WHERE second_hash = :old_hash)"
    " WHERE other != :hash"
)


def inherit(connection: sqlite3.Connection, old: int, new: int) -> None:
    """Give content `new` the user's metadata and the decisions about duplicates of `old`."""
    connection.execute(_METADATA, {"old": old, "new": new})
    (hash_,), (old_hash,) = (
        connection.execute("SELECT hash FROM contents WHERE id = ?", (content_id,)).fetchone()
        for content_id in (new, old)
    )
    connection.execute(_DECISIONS, {"hash": hash_, "old_hash": old_hash})
