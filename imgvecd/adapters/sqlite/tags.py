"""The user's tags, kept under `tags` among the user's metadata: implements `TagStore`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from imgvecd.adapters.sqlite.connection import Database


class Tags:
    """Tags of contents. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_tags(self, tags: Mapping[int, Sequence[str]]) -> None:
        """Add tags to contents, by id; those that they have stay."""
        with self._database.write() as (connection, _):
            for content_id, added in tags.items():
                row = connection.execute(
                    "SELECT user_metadata FROM contents WHERE id = ?", (content_id,)
                ).fetchone()
                if row is None:
                    continue
                metadata = json.loads(row[0])
                known = metadata.get("tags", [])
                metadata["tags"] = list(dict.fromkeys([*known, *added]))
                connection.execute(
                    "UPDATE contents SET user_metadata = ? WHERE id = ?",
                    (json.dumps(metadata, ensure_ascii=False), content_id),
                )
