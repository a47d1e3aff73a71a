"""A catalog and its index on disk, filled without a daemon, and what must come out of them."""

import contextlib
import hashlib
import os

import numpy as np

from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.catalog import Catalog, CatalogRecovery
from imgvecd.config.schema import IndexConfig
from imgvecd.core.index import LibraryIndex
from imgvecd.core.index.packed_vectors import packed, unpacked
from imgvecd.types import FileChanges, FoundFile, ImageInfo, ModelInfo, PreprocessSpec, Stamp

DIM = 16
MODEL = ModelInfo("model", "tiny", "", DIM, PreprocessSpec(32, (0.5,) * 3, (0.5,) * 3))
INFO = ImageInfo("jpeg", 640, 480, "2023-05-01T10:00:00")
QUERIES = np.random.default_rng(9).standard_normal((3, DIM), dtype=np.float32)
QUERIES /= np.linalg.norm(QUERIES, axis=1, keepdims=True)


def vector_of(number):
    vector = np.random.default_rng(number).standard_normal(DIM, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def hash_of(number):
    return hashlib.blake2b(b"%d" % number, digest_size=32).digest()


class StoredLibrary:
    """A state directory that is open.

    Args:
        kind: of the index.
    """

    def __init__(self, state, kind="flat"):
        self.state = str(state)
        os.makedirs(self.state, exist_ok=True)
        self.recovery = CatalogRecovery(self.state)
        self.recovery.prepare()
        self.catalog = Catalog(self.state)
        self.catalog.models.activate([MODEL])
        (self.root,) = self.catalog.files.set_roots([b"/photos"])
        self.index = LibraryIndex.open(
            os.path.join(self.state, "index", MODEL.fingerprint),
            MODEL.fingerprint,
            DIM,
            self.catalog.embeddings,
            IndexConfig(kind=kind),
            FaissSegments(),
        )

    def add(self, *numbers):
        """Add the pictures of these numbers, all the way, as three committed transactions."""
        stamps = [Stamp(100, number, number, number) for number in numbers]
        self.catalog.files.apply(
            FileChanges(
                added=tuple(
                    (self.root.id, b"", FoundFile(b"%d.jpg" % number, stamp))
                    for number, stamp in zip(numbers, stamps, strict=True)
                )
            )
        )
        work = self.catalog.work
        files = work.pending_files(len(numbers))
        work.link_contents([(file, hash_of(file.stamp.inode)) for file in files])
        todo = work.contents_to_encode(MODEL.fingerprint, len(numbers), set())
        vectors = np.stack([vector_of(file.stamp.inode) for _, file in todo])
        ids = [content_id for content_id, _ in todo]
        encoded = [(content_id, INFO) for content_id in ids]
        work.commit_embeddings(MODEL.fingerprint, encoded, vectors, [], {})

    def remove(self, number):
        """Take a picture's file away."""
        name = b"%d.jpg" % number
        (row,) = self.catalog.files.files_named(self.root.id, b"", [name])
        self.catalog.files.apply(FileChanges(removed=(row.id,)))

    def checkpoint(self):
        self.index.catch_up()
        self.index.checkpoint()

    def make_sound(self):
        """Do what a daemon does once it has started: read the index through, mend it."""
        self.index.catch_up()
        if not self.index.verify() or self.index.needs_rebuild:
            self.index.rebuild()

    def answers(self):
        """Return what searches find: for each query, (score, path) from the best on."""
        scores, ids = self.index.search(QUERIES, 1000)
        images = self.catalog.images.images([int(i) for i in ids[0]], MODEL.fingerprint)
        return [
            [
                (round(float(score), 5), images[int(i)].files[0].path)
                for score, i in zip(some_scores, some_ids, strict=True)
            ]
            for some_scores, some_ids in zip(scores, ids, strict=True)
        ]

    def numbers(self):
        """Return the numbers of the pictures that are searchable, with the right vector each."""
        return {int(os.path.basename(path).split(".")[0]) for _, path in self.answers()[0]}

    def close(self):
        """End in order: seal the catalog."""
        self.index.close()
        self.catalog.close()
        self.recovery.write_checksum()

    def drop(self):
        """End as a process that is killed."""
        self.index.close()
        self.catalog.close()


def expected(numbers):
    """Return what `answers` must be for these pictures."""
    vectors = {number: unpacked(packed(vector_of(number)[None]))[0] for number in numbers}
    return [
        sorted(
            (
                (round(float(np.clip(vector @ query, -1, 1)), 5), f"/photos/{number}.jpg")
                for number, vector in vectors.items()
            ),
            key=lambda hit: -hit[0],
        )
        for query in QUERIES
    ]


@contextlib.contextmanager
def opened(state, kind="flat"):
    """Yield the library in a state directory, made sound, and let go of it."""
    library = StoredLibrary(state, kind)
    try:
        library.make_sound()
        yield library
    finally:
        library.drop()
