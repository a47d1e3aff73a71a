"""The pause that a person asked for: implements `PauseStore`."""

from __future__ import annotations

from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import find_meta


class Pauses:
    """One value that survives a restart. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> int | None:
        """Return until when (ns since the epoch, 0 for no end); None if there is no pause."""
        with self._database.read() as connection:
            until_ns = find_meta(connection, "paused_until_ns")
        return None if until_ns is None else int(until_ns)

    def save(self, until_ns: int | None) -> None:
        """Remember that, instead of what was."""
        with self._database.write_aside() as connection:
            connection.execute("DELETE FROM meta WHERE key = 'paused_until_ns'")
            if until_ns is not None:
                connection.execute("INSERT INTO meta VALUES ('paused_until_ns', ?)", (until_ns,))
