"""The pause that a person asked for: implements `PauseStore`."""

from __future__ import annotations

from imgvecd.catalog.schema.connection import Database


class Pauses:
    """One value that survives a restart. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> int | None:
        """Return until when (ns since the epoch, 0 for no end); None if there is no pause."""
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT value FROM meta WHERE key = 'paused_until_ns'"
            ).fetchone()
        return None if row is None else int(row[0])

    def save(self, until_ns: int | None) -> None:
        """Remember that, instead of what was."""
        with self._database.write_aside() as connection:
            connection.execute("DELETE FROM meta WHERE key = 'paused_until_ns'")
            if until_ns is not None:
                connection.execute("INSERT INTO meta VALUES ('paused_until_ns', ?)", (until_ns,))
