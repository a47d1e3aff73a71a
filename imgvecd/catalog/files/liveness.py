"""Which contents are borne by a file, and hence which ought to be encoded.

Runs inside the transaction that changed the files, over the contents that it touched: O(k).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

KEY_BITS = 40  # a model's contents lie in [id << 40, (id + 1) << 40): 10^12 contents a model


def update_liveness(
    connection: sqlite3.Connection, clock: int, content_ids: Iterable[int | None]
) -> None:
    """Bring `contents.live` and the encode queue in line with the files for these contents."""
    ids = [(content_id,) for content_id in {*content_ids} - {None}]
    connection.executemany(
        f"UPDATE contents SET live = 1 - live, clock = {clock:d} WHERE id = ?1"
        " AND live != EXISTS (SELECT 1 FROM files WHERE content_id = ?1)",
        ids,
    )
    connection.executemany(
        "INSERT OR IGNORE INTO encode_queue SELECT models.id, contents.id FROM models, contents"
        " WHERE models.active AND contents.id = ? AND contents.live AND contents.failure IS NULL"
        " AND NOT EXISTS"
        f" (SELECT 1 FROM embeddings WHERE key = (models.id << {KEY_BITS}) + contents.id)",
        ids,
    )
    connection.executemany(
        "DELETE FROM encode_queue WHERE content_id = ?1"
        " AND NOT (SELECT live FROM contents WHERE id = ?1)",
        ids,
    )
