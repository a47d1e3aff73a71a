"""Looks for duplicates: prepares what is compared, compares, and groups."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from imgvecd.api import (
    DuplicateFile,
    DuplicateGroup,
    DuplicateMatches,
    Duplicates,
    DuplicatesRequest,
    SearchRequest,
    SearchResponse,
    Term,
)
from imgvecd.core.duplicates import pairing, perceptual_hash
from imgvecd.core.duplicates.compared_images import DuplicateStore, Subject
from imgvecd.core.duplicates.folder_set import require_folders
from imgvecd.core.duplicates.grouping import (
    KINDS,
    ChosenFolders,
    Link,
    group_ids,
    listed_file,
    make_group,
)
from imgvecd.errors import CatalogError, UnreadableImageError
from imgvecd.protocols import Decoder, EmbeddingSource, ImageStore
from imgvecd.types import Float32Array, ModelInfo, PreprocessSpec

logger = logging.getLogger(__name__)

Search: TypeAlias = Callable[[SearchRequest], Awaitable[SearchResponse]]
"""How the nearest images to a picture are found."""

_BATCH = 64  # looks per transaction
_DECODES = 4  # asked for at once: the pool runs as many as it has workers
_STREAM = 4096
_CHECK_NEAREST = 20
_LOOK_BYTES = perceptual_hash.SIDE * perceptual_hash.SIDE


class DuplicateFinder:
    """Finds duplicates among all images. For one event loop.

    Args:
        keep_looks: False where the catalog is open for reading only; then they last as long as
            the finder.
    """

    def __init__(
        self,
        *,
        store: DuplicateStore,
        library: ImageStore,
        embeddings: EmbeddingSource,
        decoder: Decoder,
        keep_looks: bool = True,
    ) -> None:
        self._store = store
        self._library = library
        self._embeddings = embeddings
        self._decoder = decoder
        self._keep_looks = keep_looks
        self._unkept: dict[int, bytes] = {}
        self._hopeless: set[int] = set()
        self._preparing = asyncio.Lock()

    async def prepare(self) -> None:
        """Look at every picture that was never looked at; what cannot be is left out.

        May be cancelled: what was looked at stays.
        """
        async with self._preparing:
            subjects = await asyncio.to_thread(self._subjects)
            waiting = [
                subject.id
                for subject in subjects
                if subject.look is None and subject.id not in self._hopeless
            ]
            for start in range(0, len(waiting), _BATCH):
                batch = waiting[start : start + _BATCH]
                found = await self._look_at(batch, perceptual_hash.SPEC)
                await self._keep(
                    {
                        identity: perceptual_hash.look_of(pixels)
                        for identity, pixels in found.items()
                    }
                )
                self._hopeless |= set(batch) - found.keys()

    async def find(self, request: DuplicatesRequest, model: ModelInfo) -> Duplicates:
        """Return the groups among the pictures that were looked at so far.

        Args:
            model: whose embeddings tell what is similar.

        Raises:
            BadRequestError: a folder to prefer or protect is none.
        """
        started = time.perf_counter()
        require_folders(request.prefer, "prefer")
        require_folders(request.protect, "protect")
        subjects = await asyncio.to_thread(self._subjects)
        vectors = await asyncio.to_thread(self._vectors, subjects, model)
        found = await asyncio.to_thread(
            pairing.candidates, subjects, vectors, request.min_similarity
        )
        same = await self._same_pixels(subjects, found)
        groups = await asyncio.to_thread(self._groups, subjects, vectors, found, same, request)
        took_ms = (time.perf_counter() - started) * 1000
        compared = sum(subject.look is not None for subject in subjects)
        logger.info("duplicates: %d groups in %.0f ms", len(groups), took_ms)
        return Duplicates(
            groups=tuple(groups),
            images=len(subjects),
            compared=compared,
            protect=request.protect,
            took_ms=round(took_ms, 1),
        )

    async def check(self, data: bytes, search: Search, min_similarity: float) -> DuplicateMatches:
        """Return the files of the library that are the picture in `data`, the surest first.

        Raises:
            UnreadableImageError: it is no picture.
        """
        small = await self._decoder.decode_bytes(data, perceptual_hash.SPEC)
        near = await search(SearchRequest(image=Term(data=data), limit=_CHECK_NEAREST, all=True))
        cosines = {hit.id: hit.score for hit in near.hits}
        info = small.info
        given = Subject(
            -1,
            hashlib.blake2b(data, digest_size=32).digest(),
            len(data),
            info.width,
            info.height,
            info.taken_at,
            0,
            perceptual_hash.look_of(small.pixels),
        )
        return await asyncio.to_thread(self._matches, given, cosines, min_similarity)

    def _matches(
        self, given: Subject, cosines: dict[int, float], min_similarity: float
    ) -> DuplicateMatches:
        subjects = self._subjects()
        near = pairing.looking_like(given, subjects)
        found: list[DuplicateFile] = []
        for subject in subjects:
            if subject.id not in cosines and subject.id not in near and subject.hash != given.hash:
                continue
            cosine = cosines.get(subject.id, 0.0)
            kind = pairing.match(given, subject, cosine, min_similarity)
            image = self._library.images([subject.id]).get(subject.id) if kind else None
            if kind and image:
                found += [listed_file(image, file, kind, cosine) for file in image.files]
        found.sort(key=lambda file: (KINDS.index(file.kind), -file.similarity, file.path))
        return DuplicateMatches(matches=tuple(found))

    def _subjects(self) -> list[Subject]:
        subjects = self._store.subjects(perceptual_hash.VERSION)
        if not self._unkept:
            return subjects
        return [
            replace(subject, look=self._unkept.get(subject.id, subject.look))
            for subject in subjects
        ]

    def _vectors(self, subjects: Sequence[Subject], model: ModelInfo) -> Float32Array:
        """Return the embeddings of `subjects`; a row of zeros where there is none."""
        ids = np.array([subject.id for subject in subjects], np.int64)
        vectors = np.zeros((len(ids), model.dim), np.float32)
        _, batches = self._embeddings.stream_embeddings(model.fingerprint, _STREAM)
        for batch in batches:
            rows = np.minimum(np.searchsorted(ids, batch.added), max(len(ids) - 1, 0))
            known = ids[rows] == batch.added if len(ids) else np.zeros(len(rows), bool)
            vectors[rows[known]] = batch.vectors[known]
        return vectors

    async def _same_pixels(
        self, subjects: Sequence[Subject], found: pairing.Candidates
    ) -> set[tuple[int, int]]:
        equal = pairing.equal_looking(subjects, found)
        rows = {row for pair in equal for row in pair}
        digests = {row: (subjects[row].look or b"")[_LOOK_BYTES:] for row in rows}
        for row in [row for row, digest in digests.items() if not digest]:
            subject = subjects[row]
            # padded to a square as large as the picture: no pixel of it is resampled
            spec = PreprocessSpec(
                max(subject.width, subject.height),
                (0.0, 0.0, 0.0),
                (1.0, 1.0, 1.0),
                resize_mode="longest",
            )
            pixels = (await self._look_at([subject.id], spec)).get(subject.id)
            if pixels is not None:
                digests[row] = hashlib.blake2b(pixels, digest_size=32).digest()
                look = (subject.look or b"")[:_LOOK_BYTES] + digests[row]
                await self._keep({subject.id: look})
        return {pair for pair in equal if digests[pair[0]] and digests[pair[0]] == digests[pair[1]]}

    async def _look_at(self, ids: Sequence[int], spec: PreprocessSpec) -> dict[int, bytes]:
        """Return the pixels of those contents that can be decoded, by id."""
        turns = asyncio.Semaphore(_DECODES)

        async def look(content_id: int) -> bytes | None:
            async with turns:
                at = await asyncio.to_thread(self._store.a_file_of, content_id)
                if at is None:
                    return None
                path, file = at
                try:
                    return (await self._decoder.decode(path, file.stamp, spec)).pixels
                except UnreadableImageError as error:
                    logger.debug("%r cannot be compared: %s", path, error)
                    return None

        found = await asyncio.gather(*map(look, ids))
        return {
            content_id: pixels
            for content_id, pixels in zip(ids, found, strict=True)
            if pixels is not None
        }

    async def _keep(self, found: dict[int, bytes]) -> None:
        if self._keep_looks:
            try:
                await asyncio.to_thread(self._store.store_looks, perceptual_hash.VERSION, found)
            except CatalogError as error:  # a full disk is no reason not to compare
                logger.warning("looks are not kept: %s", error)
            else:
                return
        self._unkept.update(found)

    def _groups(
        self,
        subjects: Sequence[Subject],
        vectors: Float32Array,
        found: pairing.Candidates,
        same_pixels: set[tuple[int, int]],
        request: DuplicatesRequest,
    ) -> list[DuplicateGroup]:
        kinds = request.kinds or KINDS
        decided = self._store.decided()
        links = [
            Link(subjects[pair.first].id, subjects[pair.second].id, pair.kind, pair.similarity)
            for pair in pairing.pairs(
                subjects,
                vectors,
                found,
                same_pixels,
                min_similarity=request.min_similarity,
                burst_s=request.burst_s,
            )
            if pair.kind in kinds
            and _ordered(subjects[pair.first], subjects[pair.second]) not in decided
        ]
        copied = [
            subject.id
            for subject in subjects
            if subject.files > 1 and _ordered(subject, subject) not in decided
        ]
        related = {
            frozenset((link.first, link.second)): (link.kind, link.similarity) for link in links
        }
        partners = _partners(subjects, decided)
        folders = ChosenFolders(request)
        groups = []
        for kind, ids in group_ids(links, copied if "same_bytes" in kinds else ()):
            images = self._library.images(ids)
            # what meets by way of a third picture still is what a person decided
            stay = {identity for identity in ids if not partners[identity].isdisjoint(ids)}
            group = make_group(kind, list(images.values()), related, request, stay, folders)
            if len(group.files) > 1:
                groups.append(group)
        return sorted(groups, key=lambda group: KINDS.index(group.kind))


def _partners(
    subjects: Sequence[Subject], decided: set[tuple[bytes, bytes]]
) -> defaultdict[int, set[int]]:
    """Return, by id, the ids of those subjects that a person decided about with this one."""
    ids = {subject.hash: subject.id for subject in subjects}
    partners: defaultdict[int, set[int]] = defaultdict(set)
    for one, other in decided:
        if one in ids and other in ids:
            partners[ids[one]].add(ids[other])
            partners[ids[other]].add(ids[one])
    return partners


def _ordered(one: Subject, other: Subject) -> tuple[bytes, bytes]:
    return min(one.hash, other.hash), max(one.hash, other.hash)
