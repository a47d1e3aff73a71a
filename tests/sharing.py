"""Libraries without daemons that publish to a shared engine."""

import contextlib
import shutil

import numpy as np
from running import wait_until
from stored_library import MODEL, StoredLibrary

from imgvecd.adapters.postgres.engine import PostgresEngine
from imgvecd.core.sharing.publisher import Publisher
from imgvecd.core.sharing.source_identity import SourceIdentity
from imgvecd.core.sharing.vector_engine import FACTS, Where


class PublishingLibrary(StoredLibrary):
    """A state directory that is open and publishes to an engine.

    Args:
        engine: the URL of PostgreSQL, or any `VectorEngine`.
    """

    def __init__(self, state, engine, name="nas", publish=("paths", "metadata")):
        super().__init__(state)
        self.feeds = self.catalog.shared_feeds
        self.engine = PostgresEngine(engine) if isinstance(engine, str) else engine
        identity = SourceIdentity(self.state)
        self.publisher = Publisher(
            self.engine, self.feeds, identity, name, publish, lambda: MODEL, _no_questions
        )
        self.catalog.call_when_written(self.publisher.wake)
        self.publisher.start()

    def published(self):
        """Whether the engine has exactly what the catalog has."""
        if self.publisher.error or self.publisher.number is None or self.publisher.waiting():
            return False
        for feed in (FACTS, MODEL.fingerprint):
            ids, contents = self.feeds.keys(feed)
            there = list(self.engine.keys(self.publisher.number, feed))
            if ids.tolist() != [i for some, _ in there for i in some.tolist()]:
                return False
            if contents != [digest for _, digests in there for digest in digests]:
                return False
        return True

    def wait_until_published(self):
        wait_until(self.published, lambda: self.publisher.error)

    def found(self, number, k=5):
        """Return what the engine finds with the vector of a picture: (source, content id)."""
        vector = self.catalog_vector(number)
        found = self.engine.search(MODEL.fingerprint, vector, k, Where())
        return [(image.source, image.facts.content_id) for image in found]

    def catalog_vector(self, number):
        vector = np.random.default_rng(number).standard_normal(16, dtype=np.float32)
        return vector / np.linalg.norm(vector)

    def end(self):
        """Stop publishing, and let go of the state directory."""
        self.publisher.stop()
        self.drop()


def _no_questions(model):
    return np.empty((0, model.dim), np.float32)


@contextlib.contextmanager
def sharing(state, engine, **options):
    """Yield a library that publishes for the length of the block."""
    library = PublishingLibrary(state, engine, **options)
    try:
        yield library
    finally:
        library.end()


def add_many(library, numbers, at_once=50):
    """Add pictures in several transactions."""
    numbers = list(numbers)
    for start in range(0, len(numbers), at_once):
        library.add(*numbers[start : start + at_once])


def restore_catalog(state, kept):
    """Put an older copy of the catalog in the place of a state directory's own."""
    shutil.copy(kept, state / "catalog.sqlite")
    for name in ("catalog.sqlite-wal", "catalog.sqlite-shm", "catalog.sqlite.seal"):
        (state / name).unlink(missing_ok=True)
