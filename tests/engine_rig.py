"""An engine over a real catalog and a real folder, with a fake model and a dict for an index."""

import asyncio
import os

import numpy as np
from fakes import MODEL, FakeDecoder, FakeEncoder
from running import DEADLINE_S

from imgvecd.api import SearchRequest
from imgvecd.catalog import Catalog
from imgvecd.core.index.packed_vectors import unpacked
from imgvecd.core.library.engine import Engine, ModelSource, Parts
from imgvecd.types import FileChanges, FoundFile, Stamp


class DictIndex:
    """An index as plain as can be, that counts what is asked of it."""

    def __init__(self, source, fingerprint=MODEL.fingerprint):
        self.source = source
        self.fingerprint = fingerprint
        self.dim = MODEL.dim
        self.clock = 0
        self.vectors = {}
        self.checkpoints = 0
        self.dirty = self.needs_rebuild = self.needs_checkpoint = False
        self.full_disk = False

    def __len__(self):
        return len(self.vectors)

    def catch_up(self):
        while True:
            count, changes = self.source.embedding_changes(self.fingerprint, self.clock, 100)
            self.apply(changes)
            if not count:
                return
            self.dirty = True

    def apply(self, changes):
        for content_id in changes.removed.tolist():
            self.vectors.pop(content_id, None)
        self.vectors.update(zip(changes.added.tolist(), unpacked(changes.vectors), strict=True))
        self.clock = changes.clock

    def search(self, queries, k, *, allowed=None):
        scores = {i: float(queries[0] @ v) for i, v in self.vectors.items()}
        best = sorted(scores, key=lambda i: (-scores[i], i))[:k]
        return np.array([[scores[i] for i in best]], np.float32), np.array([best], np.int64)

    def checkpoint(self):
        if self.full_disk:
            raise OSError(28, "No space left on device")
        self.checkpoints += 1
        self.dirty = False
        return 1

    def verify(self):
        return True

    def rebuild(self):
        self.needs_rebuild = False

    def close(self):
        pass


class Rig:
    """An engine over a real catalog and a real folder, with a fake model.

    Attributes:
        target: the encoder of the model to move to, where there is one.
    """

    target: FakeEncoder

    def __init__(self, tmp_path):
        self.folder = os.fsencode(tmp_path / "photos")
        os.mkdir(self.folder)
        self.catalog = Catalog(str(tmp_path / "state"))
        self.decoder, self.encoder = FakeDecoder(), FakeEncoder()
        self.index = DictIndex(self.catalog.embeddings)
        self.stale = []
        self.parts = Parts(
            work=self.catalog.work,
            rereading=self.catalog.rereading,
            embeddings=self.catalog.embeddings,
            models=self.catalog.models,
            image_store=self.catalog.images,
            searching=self.catalog.searching,
            decoder=self.decoder,
            serving=ModelSource(MODEL.fingerprint, self.encoder),
            target=None,
            open_index=lambda model: self.index,
            in_flight=3,
            checkpoint_interval_s=0.01,
        )
        self.roots = self.catalog.files.set_roots([self.folder])

    def make_engine(self):
        self.engine = Engine(self.parts, on_stale=self.stale.extend)
        self.engine.use_roots(self.roots)
        return self.engine

    def write(self, name, data):
        path = os.path.join(self.folder, os.fsencode(name))
        with open(path, "wb") as file:
            file.write(data)
        found = FoundFile(os.fsencode(name), Stamp.of(os.stat(path)))
        self.catalog.files.apply(FileChanges(added=((self.roots[0].id, b"", found),)))
        return os.fsdecode(path)

    async def settled(self):
        self.engine.wake()
        await asyncio.wait_for(self.engine.idle(), DEADLINE_S)

    async def indexed(self, count):
        """Return once so many files are."""
        async with asyncio.timeout(DEADLINE_S):
            await self.settled()
            while self.counts().indexed < count:
                await asyncio.sleep(0.01)
                await self.settled()

    async def search(self, **request):
        return await self.engine.generation.searcher.search(SearchRequest(**request))

    async def paths_for(self, **request):
        response = await self.search(**request)
        return [os.path.basename(hit.path) for hit in response.hits]

    def counts(self):
        return self.catalog.images.counts(MODEL.fingerprint)
