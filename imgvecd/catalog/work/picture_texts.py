"""The text that was read in pictures, by content, and whose is still to be read.

The queue is filled once for each recogniser, and then by a trigger as pictures come; its rows go as
texts are read, so that a killed program goes on where it was. Without a recogniser nothing waits,
and texts read before are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.picture_texts import RECOGNISER, UNREAD
from imgvecd.catalog.schema.rows import find_meta
from imgvecd.catalog.work.idle_queues import waiting_contents, waiting_files
from imgvecd.types import FileRow


class PictureTexts:
    """Implements `protocols.IdleQueue`. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recogniser: str | None = None

    def use(self, recogniser: str | None) -> None:
        """Have texts read by the recogniser of that fingerprint from now on; by none for None."""
        self._recogniser = recogniser
        if recogniser is None:
            self.fill()  # so that nothing waits

    def fill(self) -> int:
        """Have all read that the recogniser has not read yet; return how many images wait."""
        with self._database.read() as connection:
            current = find_meta(connection, RECOGNISER)
        if current != self._recogniser:
            with self._database.write() as (connection, _):
                connection.execute("DELETE FROM text_queue")
                connection.execute("DELETE FROM meta WHERE key = ?", (RECOGNISER,))
                if self._recogniser is not None:
                    connection.execute(
                        "INSERT INTO meta VALUES (?, ?)", (RECOGNISER, self._recogniser)
                    )
                    unread = UNREAD.format(row="contents")
                    connection.execute(
                        f"INSERT INTO text_queue SELECT id FROM contents WHERE {unread}"
                    )
        return self.waiting()

    def waiting(self) -> int:
        """Return how many images that a file bears wait."""
        with self._database.read() as connection:
            return waiting_contents(connection, "text_queue")

    def contents_to_read(self, limit: int, skip: Collection[int]) -> list[tuple[int, FileRow]]:
        """Return (content id, a file that bears it) on online roots, the newest first."""
        with self._database.read() as connection:
            return waiting_files(connection, "text_queue", limit, skip)

    def record(self, read: Sequence[tuple[int, str | None]]) -> int:
        """Keep texts in one transaction, None for what cannot be read; return the clock."""
        assert self._recogniser is not None  # noqa: S101  # it has read them
        with self._database.write() as (connection, clock):
            for content_id, text in read:
                connection.execute("DELETE FROM picture_texts WHERE content_id = ?", (content_id,))
                connection.execute(
                    "INSERT INTO picture_texts SELECT id, ?, ? FROM contents WHERE id = ?",
                    (self._recogniser, text, content_id),
                )
                connection.execute("DELETE FROM text_queue WHERE content_id = ?", (content_id,))
        return clock
