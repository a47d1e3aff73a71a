"""Texts whose vectors are known: in memory, and in the catalog, which is written behind answers."""

from __future__ import annotations

import asyncio
import collections
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence

from imgvecd.core.threads import BULK, asker
from imgvecd.errors import CatalogError
from imgvecd.protocols import SearchStore
from imgvecd.types import Float32Array

logger = logging.getLogger(__name__)

_REMEMBERED_TEXTS = 1024  # 2 MB at 512 dimensions
# As much again: who comes while so many wait for the catalog waits with them.
_MOST_UNWRITTEN = 1024
# Between two writes: who asks for new texts all the time has them written together, and leaves the
# processor to others.
_GATHERED_S = 0.1


class KnownTexts:
    """The vectors of texts that were encoded before, by one model. For one event loop.

    An answer waits for no write, which photos that are being indexed may hold up for a second.
    """

    def __init__(self, fingerprint: str, store: SearchStore) -> None:
        self._fingerprint = fingerprint
        self._store = store
        self._lock = threading.Lock()
        self._remembered: collections.OrderedDict[str, Float32Array] = collections.OrderedDict()
        self._unwritten: dict[str, Float32Array] = {}
        self._unknown: set[str] = set()
        self._writing: asyncio.Task[None] | None = None

    def remembered(self, texts: Sequence[str]) -> dict[str, Float32Array]:
        """Return the vectors of those that are in memory; any thread may ask."""
        found = self._not_written(texts)
        with self._lock:
            for text in texts:
                if text in self._remembered:
                    found[text] = self._remembered[text]
                    self._remembered.move_to_end(text)
        return found

    def find(self, texts: Sequence[str]) -> dict[str, Float32Array]:
        """Return the vectors of those that are known; blocks. Any thread may ask."""
        found = self.remembered(texts)
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            found |= self._store.texts(self._fingerprint, missing)
            self._remember(found)
            with self._lock:
                if len(self._unknown) > _REMEMBERED_TEXTS:
                    self._unknown.clear()
                self._unknown.update(text for text in missing if text not in found)
        return found

    def are_unknown(self, texts: Iterable[str]) -> bool:
        """Return whether all were looked for, and are not known: no need to look once more."""
        with self._lock:
            return self._unknown.issuperset(texts)

    def find_once(self, texts: Sequence[str]) -> dict[str, Float32Array]:
        """Return what `find` does of texts that are asked for once: they displace no others."""
        return self._store.texts(self._fingerprint, texts) | self._not_written(texts)

    async def keep(self, vectors: Mapping[str, Float32Array]) -> None:
        """Have texts known from now on, and written to the catalog soon."""
        self._remember(vectors)
        with self._lock:
            self._unwritten |= vectors
            too_many = len(self._unwritten) > _MOST_UNWRITTEN
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(), name="keep texts")
        if too_many:
            await self.written()

    async def written(self) -> None:
        """Return once all that was to be kept is in the catalog, or could not be written."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        asker.set(None)  # whoever was the first to have something written waits for no turns here
        while batch := self._all_unwritten():
            try:
                await BULK.run(self._store.keep_texts, self._fingerprint, batch)
            except CatalogError as error:  # a full disk is no reason not to answer
                logger.warning("query texts are not kept: %s", error)
            finally:
                with self._lock:
                    self._unwritten = {
                        text: vector
                        for text, vector in self._unwritten.items()
                        if vector is not batch.get(text)
                    }
            if self._all_unwritten():
                await asyncio.sleep(_GATHERED_S)

    def _all_unwritten(self) -> dict[str, Float32Array]:
        with self._lock:
            return dict(self._unwritten)

    def _not_written(self, texts: Sequence[str]) -> dict[str, Float32Array]:
        with self._lock:
            return {text: self._unwritten[text] for text in texts if text in self._unwritten}

    def _remember(self, vectors: Mapping[str, Float32Array]) -> None:
        """Remember some, in the place of those that nobody has asked for the longest."""
        with self._lock:
            for text, vector in vectors.items():
                self._remembered[text] = vector
                self._remembered.move_to_end(text)
                self._unknown.discard(text)
            while len(self._remembered) > _REMEMBERED_TEXTS:
                self._remembered.popitem(last=False)
