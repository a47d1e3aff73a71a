"""A library of made-up images over a real catalog, and a searcher over it with a fake model."""

import os

import numpy as np
import pytest
from fakes import DIM, MODEL, FakeDecoder, FakeEncoder

from imgvecd.api import SearchRequest
from imgvecd.catalog import Catalog
from imgvecd.core.index.packed_vectors import unpacked
from imgvecd.core.search import Searcher, searcher
from imgvecd.types import FileChanges, FoundFile, ImageInfo, Stamp


class PlainIndex:
    """Compares with every vector of the catalog."""

    def __init__(self, catalog):
        self._source = catalog.embeddings

    def _all(self):
        clock, batches = self._source.stream_embeddings(MODEL.fingerprint, 1000)
        found = {}
        for batch in batches:
            found |= dict(zip(batch.added.tolist(), unpacked(batch.vectors), strict=True))
        return clock, found

    @property
    def clock(self):
        return self._all()[0]

    def __len__(self):
        return len(self._all()[1])

    def search(self, queries, k, *, allowed=None):
        found = self._all()[1]
        ids = np.array([i for i in found if allowed is None or i in allowed], np.int64)
        vectors = np.stack([found[i] for i in ids]) if len(ids) else np.empty((0, DIM))
        scores = np.clip(np.einsum("ij,j->i", vectors, queries[0]), -1, 1).astype(np.float32)
        order = np.lexsort((ids, -scores))[:k]
        return scores[None, order], ids[None, order]


class Shelf:
    """A catalog that is filled by hand."""

    def __init__(self, folder):
        self.catalog = Catalog(str(folder))
        self.roots = self.catalog.files.set_roots([b"/photos", b"/archive"])
        self.catalog.models.activate([MODEL])
        self.encoder = FakeEncoder()
        self.fetch = None
        self._added = 0

    def add(self, path, vector, *, size_bytes=1000, user=None, pixels=None, **info):
        """Add an image as it is after indexing; return its id."""
        self._added += 1
        root = next(root for root in self.roots if path.startswith(os.fsdecode(root.path) + "/"))
        directory, name = os.path.split(os.fsencode(path)[len(root.path) + 1 :])
        stamp = Stamp(size_bytes, self._added, self._added, self._added)
        self.catalog.files.apply(FileChanges(added=((root.id, directory, FoundFile(name, stamp)),)))
        (row,) = self.catalog.files.files_named(root.id, directory, [name])
        self.catalog.work.link_contents([(row, b"%032d" % self._added)])
        (row,) = self.catalog.files.files_named(root.id, directory, [name])
        known = {"format": "jpeg", "width": 400, "height": 300, **info}
        rows = np.asarray([vector], np.float32)
        self.catalog.work.commit_embeddings(
            MODEL.fingerprint,
            [(row.content_id, ImageInfo(**known))],
            rows,
            [],
            {row.content_id: pixels},
        )
        if user is not None:
            self.catalog.user_metadata.replace({row.content_id: user})
        return row.content_id

    def copy(self, image_id, path):
        """Add a file with the same bytes."""
        self._added += 1
        root = next(root for root in self.roots if path.startswith(os.fsdecode(root.path) + "/"))
        directory, name = os.path.split(os.fsencode(path)[len(root.path) + 1 :])
        stamp = Stamp(1000, self._added, self._added, self._added)
        self.catalog.files.apply(FileChanges(added=((root.id, directory, FoundFile(name, stamp)),)))
        (row,) = self.catalog.files.files_named(root.id, directory, [name])
        digest = self.catalog.images.content_files(image_id).hash
        self.catalog.work.link_contents([(row, digest)])

    def remove(self, path):
        root = next(root for root in self.roots if path.startswith(os.fsdecode(root.path) + "/"))
        directory, name = os.path.split(os.fsencode(path)[len(root.path) + 1 :])
        (row,) = self.catalog.files.files_named(root.id, directory, [name])
        self.catalog.files.apply(FileChanges(removed=(row.id,)))

    def searcher(self):
        return Searcher(
            MODEL,
            PlainIndex(self.catalog),
            encoder=self.encoder,
            decoder=FakeDecoder(),
            embeddings=self.catalog.embeddings,
            image_store=self.catalog.images,
            store=self.catalog.searching,
            fetch=self.fetch,
        )

    async def find(self, text="query", **request):
        searcher = self.searcher()
        answer = await searcher.search(SearchRequest(text=text, **request))
        await searcher.close()
        return answer

    async def names(self, **request):
        return [os.path.basename(hit.path) for hit in (await self.find(**request)).hits]


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setattr(searcher, "_LULL_S", 0.0)
    shelf = Shelf(tmp_path / "state")
    yield shelf
    shelf.catalog.close()
