"""Makes the perceptual hashes of pictures that have none yet, and hands out what is compared."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from dataclasses import replace

from imgvecd.core.duplicates import perceptual_hash
from imgvecd.core.duplicates.compared_images import DuplicateStore, Subject
from imgvecd.core.duplicates.known_pairs import KnownPairs
from imgvecd.core.threads import HEAVY
from imgvecd.errors import CatalogError, UnreadableImageError
from imgvecd.protocols import Decoder

logger = logging.getLogger(__name__)

_BATCH = 64  # looks per transaction
_DECODES = 4  # asked for at once: the pool runs as many as it has workers
_OFFLINE = "its folder is offline, or it has just changed"
_UNSEEN = "nobody has looked at it yet"


class PictureHasher:
    """Takes looks, and keeps them. For one event loop; `subjects` and `subjects_of`: any thread.

    Args:
        keep: False where the catalog is open for reading only; then they last as long as this.
    """

    def __init__(self, store: DuplicateStore, decoder: Decoder, *, keep: bool) -> None:
        self._store = store
        self._decoder = decoder
        self._keep = keep
        self._unkept: dict[int, bytes] = {}
        self._unreadable: dict[int, str] = {}
        self._offline: set[int] = set()
        self._looked_at: int | None = None
        self._turn = asyncio.Lock()

    async def prepare(self) -> None:
        """Look at every picture that was never looked at; what cannot be is left out.

        May be cancelled: what was looked at stays.
        """
        async with self._turn:
            change, waiting = await HEAVY.run(self._waiting)
            for start in range(0, len(waiting), _BATCH):
                await self._look_at(waiting[start : start + _BATCH])
            self._looked_at = change

    @property
    def begun(self) -> bool:
        """Whether it is known up to which change pictures were looked at."""
        return self._looked_at is not None

    def begin(self, known: KnownPairs) -> None:
        """Take it that whatever was there when `known` was made was looked at, if it could be."""
        if self._looked_at is None:
            self._looked_at = known.change
            self._offline = set(known.ids[~known.subjects["seen"]].tolist())

    def why_unseen(self, content_id: int) -> str:
        """Return why a picture has no look."""
        if content_id in self._unreadable:
            return self._unreadable[content_id]
        return _OFFLINE if content_id in self._offline else _UNSEEN

    def subjects(self, after: int = -1, limit: int = -1) -> list[Subject]:
        """Return subjects, by id, those above `after` only, `limit` at most."""
        return self._seen(self._store.subjects(perceptual_hash.VERSION, after=after, limit=limit))

    def subjects_of(self, ids: Collection[int]) -> dict[int, Subject]:
        """Return those of `ids` that are subjects."""
        found = self._store.subjects_of(perceptual_hash.VERSION, ids)
        return {subject.id: subject for subject in self._seen(found)}

    def _seen(self, subjects: list[Subject]) -> list[Subject]:
        if not self._unkept:
            return subjects
        return [
            replace(subject, perceptual_hash=self._unkept.get(subject.id, subject.perceptual_hash))
            for subject in subjects
        ]

    def _waiting(self) -> tuple[int, list[int]]:
        """Return (number of the last change, contents that may be looked at now)."""
        if self._looked_at is None:
            change = self._store.last_subject_change()
            waiting = set(self._store.unseen(perceptual_hash.VERSION))
        else:
            change, changed = self._store.subject_changes(self._looked_at)
            asked = {*changed, *self._store.readable(self._offline)}
            waiting = {
                subject.id
                for subject in self._store.subjects_of(perceptual_hash.VERSION, asked)
                if subject.perceptual_hash is None
            }
        return change, sorted(waiting - self._unkept.keys() - self._unreadable.keys())

    async def _look_at(self, ids: Sequence[int]) -> None:
        turns = asyncio.Semaphore(_DECODES)
        seen: dict[int, bytes] = {}

        async def look(content_id: int) -> None:
            async with turns:
                at = await HEAVY.run(self._store.a_file_of, content_id)
                if at is None:
                    self._offline.add(content_id)
                    return
                path, file = at
                try:
                    decoded = await self._decoder.decode(path, file.stamp, perceptual_hash.SPEC)
                except UnreadableImageError as error:
                    logger.debug("%r cannot be compared: %s", path, error)
                    self._unreadable[content_id] = str(error)
                    return
                seen[content_id] = perceptual_hash.of_pixels(decoded.pixels)

        await asyncio.gather(*map(look, ids))
        self._offline.difference_update(seen, self._unreadable)
        await self._keep_looks(seen)

    async def _keep_looks(self, seen: dict[int, bytes]) -> None:
        if self._keep:
            try:
                await HEAVY.run(self._store.store_hashes, perceptual_hash.VERSION, seen)
            except CatalogError as error:  # a full disk is no reason not to compare
                logger.warning("perceptual hashes are not kept: %s", error)
            else:
                return
        self._unkept.update(seen)
