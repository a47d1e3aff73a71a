"""The open catalog: one object whose parts each implement one seam."""

from __future__ import annotations

import os

from imgvecd.adapters.sqlite.change_log import ChangeLog
from imgvecd.adapters.sqlite.collection import Collection
from imgvecd.adapters.sqlite.connection import Database
from imgvecd.adapters.sqlite.duplicates import Duplicates
from imgvecd.adapters.sqlite.embeddings import Embeddings
from imgvecd.adapters.sqlite.failures import Failures
from imgvecd.adapters.sqlite.files import Files
from imgvecd.adapters.sqlite.library import Library
from imgvecd.adapters.sqlite.models import Models
from imgvecd.adapters.sqlite.pauses import Pauses
from imgvecd.adapters.sqlite.query_texts import SavedSearches
from imgvecd.adapters.sqlite.selection import Selection
from imgvecd.adapters.sqlite.user_metadata import UserMetadata
from imgvecd.adapters.sqlite.work import Work


class Catalog:
    """The catalog in `directory`, made there if it is missing. Thread-safe.

    Attributes:
        files: roots and files (`FileStore`).
        changes: what happened to files (`ChangeLog`).
        failures: files that cannot be searched (`FailureLog`).
        work: what waits, and results (`WorkQueue`).
        embeddings: vectors for the index (`EmbeddingSource`).
        models: the models they come from.
        pauses: the pause that a person asked for (`PauseStore`).
        library: questions about images.
        collection: what a person adds.
        searching: what searching needs besides vectors (`SearchStore`).
        user_metadata: what the user says of images (`UserMetadataStore`).
        saved_searches: searches with names (`SavedSearchStore`).
        duplicates: what comparing images found and people decided.
    """

    def __init__(self, directory: str, *, read_only: bool = False) -> None:
        if not read_only:
            os.makedirs(directory, mode=0o700, exist_ok=True)
        self._database = Database(os.path.join(directory, "catalog.sqlite"), read_only=read_only)
        self.files = Files(self._database)
        self.changes = ChangeLog(self._database)
        self.failures = Failures(self._database)
        self.work = Work(self._database)
        self.embeddings = Embeddings(self._database)
        self.models = Models(self._database)
        self.pauses = Pauses(self._database)
        self.library = Library(self._database)
        self.collection = Collection(self._database)
        self.searching = Selection(self._database)
        self.user_metadata = UserMetadata(self._database)
        self.saved_searches = SavedSearches(self._database)
        self.duplicates = Duplicates(self._database)

    @property
    def path(self) -> str:
        """The file's path."""
        return self._database.path

    def close(self) -> None:
        """Close the file."""
        self._database.close()
