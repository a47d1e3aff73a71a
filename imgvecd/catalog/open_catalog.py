"""The open catalog: one object whose parts each implement one seam."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

from imgvecd.catalog.files.change_log import ChangeTable
from imgvecd.catalog.files.failures import Failures
from imgvecd.catalog.files.files import Files
from imgvecd.catalog.integrity.file_check import examine_open
from imgvecd.catalog.integrity.row_repair import RowRepair
from imgvecd.catalog.queries.collection import Collection
from imgvecd.catalog.queries.duplicate_store import DuplicateTable
from imgvecd.catalog.queries.facets import FacetTable
from imgvecd.catalog.queries.images import ImageTable
from imgvecd.catalog.queries.pauses import Pauses
from imgvecd.catalog.queries.query_texts import SavedSearchTable
from imgvecd.catalog.queries.search_store import SearchRows
from imgvecd.catalog.queries.timeline import TimelineRows
from imgvecd.catalog.queries.user_metadata import UserMetadata
from imgvecd.catalog.recovery.backups import Backups
from imgvecd.catalog.recovery.checksum import CHANGED, CatalogChecksum
from imgvecd.catalog.schema.connection import Database
from imgvecd.catalog.schema.rows import find_meta
from imgvecd.catalog.work.embeddings import Embeddings
from imgvecd.catalog.work.models import Models
from imgvecd.catalog.work.picture_texts import PictureTexts
from imgvecd.catalog.work.rereading import RereadTable
from imgvecd.catalog.work.retention import Retention
from imgvecd.catalog.work.shared_feeds import SharedFeeds
from imgvecd.catalog.work.work_queue import WorkTable
from imgvecd.core.files.disk_errors import describe
from imgvecd.core.files.durable import file_digest
from imgvecd.errors import CatalogDamagedError, CatalogError


class Catalog:
    """The catalog in `directory`, made there if it is missing. Thread-safe.

    Args:
        backups: how many backups are kept.

    Attributes:
        files: roots and files (`FileStore`).
        changes: what happened to files (`ChangeTable`).
        failures: files that cannot be searched (`FailureLog`).
        work: what waits, and results (`WorkQueue`).
        rereading: whose metadata is to be read again (`IdleQueue`).
        texts: whose text is to be read (`IdleQueue`).
        embeddings: vectors for the index (`EmbeddingSource`).
        models: the models they come from.
        shared_feeds: what a shared engine is told (`LibraryFeeds`).
        pauses: the pause that a person asked for (`PauseStore`).
        images: questions about images.
        collection: what a person adds.
        searching: what searching needs besides vectors (`SearchStore`).
        user_metadata: what the user says of images (`UserMetadataStore`).
        saved_searches: searches with names (`SavedSearchStore`).
        duplicates: what comparing images found and people decided.
        timeline: images in the order in which they were taken.
        facets: what images have in common.
        row_repair: whether the rows agree with each other.
    """

    def __init__(self, directory: str, *, read_only: bool = False, backups: int = 2) -> None:
        if not read_only:
            os.makedirs(directory, mode=0o700, exist_ok=True)
        self._database = Database(os.path.join(directory, "catalog.sqlite"), read_only=read_only)
        self._backups = Backups(directory)
        self._kept_backups = backups
        self._held: tuple[contextlib.ExitStack, CatalogChecksum] | None = None
        self._closed = False
        self.files = Files(self._database)
        self.changes = ChangeTable(self._database)
        self.failures = Failures(self._database)
        self.work = WorkTable(self._database)
        self.rereading = RereadTable(self._database)
        self.texts = PictureTexts(self._database)
        self.embeddings = Embeddings(self._database)
        self.models = Models(self._database)
        self.shared_feeds = SharedFeeds(self._database, self.embeddings)
        self.pauses = Pauses(self._database)
        self.images = ImageTable(self._database)
        self.collection = Collection(self._database)
        self.searching = SearchRows(self._database)
        self.user_metadata = UserMetadata(self._database)
        self.retention = Retention(self._database)
        self.saved_searches = SavedSearchTable(self._database)
        self.duplicates = DuplicateTable(self._database)
        self.timeline = TimelineRows(self._database)
        self.facets = FacetTable(self._database)
        self.row_repair = RowRepair(self._database)

    @property
    def path(self) -> str:
        """The file's path."""
        return self._database.path

    @property
    def damaged(self) -> bool:
        """Whether bytes were met that cannot be the catalog's own: it gets no checksum."""
        return self._database.damaged.is_set()

    def call_when_damaged(self, call: Callable[[], None]) -> None:
        """Have `call` called, on whatever thread, when bytes are met that cannot be its own."""
        self._database.on_damage = call

    def call_when_written(self, call: Callable[[], None]) -> None:
        """Have `call` called, on whatever thread, after each commit that moved the clock."""
        self._database.on_written = call

    def hold(self, checksum: CatalogChecksum) -> bool:
        """Keep the file as it is, whatever is written, until `examine` has compared it.

        A reader that began while the log was empty keeps SQLite from writing to the file itself.

        Returns: whether that is possible; not if something was written already.
        """
        held = contextlib.ExitStack()
        connection = held.enter_context(self._database.read())
        connection.execute("SELECT value FROM meta WHERE key = 'clock'").fetchone()
        log, status = self.path + "-wal", os.stat(self.path)
        if status.st_mtime_ns != checksum.mtime_ns or (
            os.path.exists(log) and os.path.getsize(log)
        ):
            held.close()
            return False
        self._held = held, checksum
        return True

    def note_age(self) -> None:
        """Note what is gone by now, and forget the oldest changes beyond what the log may hold."""
        self.retention.note_gone()
        self.changes.prune()

    def forget(self, keep_s: float) -> tuple[int, int]:
        """Forget some of what has not been of use for so long; (0, 0) once there is no more.

        Returns: (texts, pictures) forgotten.
        """
        before_ns = time.time_ns() - int(keep_s * 1e9)
        return self.retention.forget_texts(before_ns), self.retention.forget_images(before_ns)

    def examine(self) -> str | None:
        """Read the file through; return what is wrong with it, None if it is sound.

        One that is held is compared with its checksum. Takes seconds for a million images, and no
        writer waits for it.

        Raises:
            CatalogError: the disk fails.
        """
        if self._held is not None:
            return self._compare_held(*self._held)
        with self._database.read() as connection:
            found = examine_open(connection, self.path)
        if found:
            self._database.damaged.set()
            return found[0]
        self._note_examined()
        return None

    def _compare_held(self, held: contextlib.ExitStack, checksum: CatalogChecksum) -> str | None:
        self._held = None
        with held:
            try:
                digest = file_digest(self.path, lambda: not self._closed)
            except OSError as error:
                raise CatalogError(f"the catalog cannot be read: {describe(error)}") from error
        if digest in (None, checksum.blake2b):
            return None
        self._database.damaged.set()
        return CHANGED

    def examined_age_s(self) -> float | None:
        """Return how long ago the file was found sound; None if it never was."""
        with self._database.read() as connection:
            examined_at_s = find_meta(connection, "examined_at_s")
        return None if examined_at_s is None else max(0.0, time.time() - examined_at_s)

    def back_up(self) -> bool:
        """Write a backup of this moment, checked; False if nothing has changed since the last.

        Raises:
            CatalogDamagedError: the catalog is damaged, and so would be the backup.
            CatalogError: it cannot be written.
        """
        try:
            with self._database.read() as connection:
                if self._backups.has(connection):
                    return False
                self._backups.make(connection, keep=self._kept_backups)
        except CatalogDamagedError:
            self._database.damaged.set()
            raise
        self._note_examined()
        return True

    def made_at_s(self) -> float:
        """Return when the catalog was made, in seconds since 1970."""
        with self._database.read() as connection:
            statement = "SELECT min(applied_at_ns) FROM migrations"
            ((made_at_ns,),) = connection.execute(statement).fetchall()
        return float(made_at_ns) / 1e9

    def backup_age_s(self) -> float | None:
        """Return how old the latest backup is; None if there is none, or nobody knows."""
        return self._backups.age_s()

    def _note_examined(self) -> None:
        with contextlib.suppress(CatalogError), self._database.write_aside() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO meta VALUES ('examined_at_s', ?)", (int(time.time()),)
            )

    def close(self) -> None:
        """Close the file."""
        self._closed = True  # which ends a comparison that is under way
        if self._held is not None:
            self._held[0].close()
        self._database.close()
