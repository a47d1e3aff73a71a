"""Looks for duplicates: prepares what is compared, compares, and groups."""

from __future__ import annotations

import asyncio
import bisect
import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np

from imgvecd.api import (
    DuplicateFile,
    DuplicateGroup,
    DuplicateKind,
    DuplicateMatches,
    Duplicates,
    DuplicatesRequest,
    Image,
    Missing,
    SearchRequest,
    SearchResponse,
    Term,
)
from imgvecd.core.duplicates import group_pages, pairing, perceptual_hash
from imgvecd.core.duplicates.best_copies import Link
from imgvecd.core.duplicates.compared_images import DuplicateStore, Subject, ordered
from imgvecd.core.duplicates.comparing import Comparer, compare
from imgvecd.core.duplicates.folder_set import require_folders
from imgvecd.core.duplicates.grouping import KINDS, group_ids, listed_file, make_group
from imgvecd.core.duplicates.keeper import ChosenFolders
from imgvecd.core.duplicates.known_pairs import KnownPairs
from imgvecd.core.duplicates.pair_file import PairFile
from imgvecd.core.duplicates.pair_records import NEAR_EMBEDDING
from imgvecd.core.duplicates.pair_search import PairSearch
from imgvecd.core.duplicates.pair_settler import PairSettler
from imgvecd.core.duplicates.picture_hasher import PictureHasher
from imgvecd.core.threads import HEAVY, INTERACTIVE
from imgvecd.protocols import Decoder, EmbeddingSource, ImageStore, VectorIndex
from imgvecd.types import ExaminedImage, ModelInfo

logger = logging.getLogger(__name__)

Search: TypeAlias = Callable[[SearchRequest], Awaitable[SearchResponse]]
"""How the nearest images to a picture are found."""

_BATCH = 64  # images read at once
_STREAM = 4096
_CHECK_NEAREST = 20
_MOST_TOLD = 100  # pictures that could not be compared are named


@dataclass(frozen=True, slots=True)
class _Page:
    """Groups, how many there are on all pages, and what asks for the next one."""

    groups: list[DuplicateGroup]
    groups_in_all: int
    next_cursor: str | None


class DuplicateFinder:
    """Finds duplicates among all images. For one event loop.

    Args:
        pairs: where what was found is kept.
        keep: False where the catalog is open for reading only; then looks and comparisons last as
            long as the finder.
    """

    def __init__(
        self,
        *,
        store: DuplicateStore,
        image_store: ImageStore,
        embeddings: EmbeddingSource,
        decoder: Decoder,
        pairs: PairFile,
        keep: bool = True,
    ) -> None:
        self._store = store
        self._image_store = image_store
        self._embeddings = embeddings
        self._decoder = decoder
        self._hasher = PictureHasher(store, decoder, keep=keep)
        self._comparer = Comparer(store, decoder, keep=keep)
        self._search = PairSearch(store, self._hasher, embeddings)
        self._settler = PairSettler(store, self._hasher, self._search, self._comparer)
        self._pairs = pairs
        self._turn = asyncio.Lock()  # what is known of pairs is read, changed and kept in one go

    async def prepare(self) -> None:
        """Look at every picture that was never looked at; what cannot be is left out.

        May be cancelled: what was looked at stays.
        """
        if not self._hasher.begun:
            async with self._turn:
                known = await HEAVY.run(self._pairs.load)
            if known is not None:
                self._hasher.begin(known)
        await self._hasher.prepare()

    async def find(
        self, request: DuplicatesRequest, model: ModelInfo, index: VectorIndex
    ) -> Duplicates:
        """Return the groups among the pictures that were looked at so far, or a page of them.

        Args:
            model: whose embeddings tell what is similar.
            index: of them.

        Raises:
            BadRequestError: a folder to prefer or protect is none, or the cursor.
        """
        started = time.perf_counter()
        group_pages.place_of(request)
        require_folders(request.prefer, "prefer")
        require_folders(request.protect, "protect")
        async with self._turn:
            known = await self._known(request, model, index)
        page = await HEAVY.run(self._page, known, request, model.fingerprint)
        missing = await HEAVY.run(self._missing, known)
        took_ms = (time.perf_counter() - started) * 1000
        logger.info("duplicates: %d groups in %.0f ms", page.groups_in_all, took_ms)
        return Duplicates(
            groups=tuple(page.groups),
            groups_in_all=page.groups_in_all,
            next_cursor=page.next_cursor,
            images=len(known.subjects),
            compared=len(known.subjects) - len(missing),
            missing=await HEAVY.run(self._told_missing, missing[:_MOST_TOLD]),
            waiting=await HEAVY.run(self._store.waiting),
            protect=request.protect,
            took_ms=round(took_ms, 1),
        )

    async def check(self, data: bytes, search: Search, min_similarity: float) -> DuplicateMatches:
        """Return the files of the library that are the picture in `data`, the surest first.

        Raises:
            UnreadableImageError: it is no picture.
        """
        small = await self._decoder.decode_bytes(data, perceptual_hash.SPEC)
        nearest = SearchRequest(image=Term(data=data), limit=_CHECK_NEAREST, all=True)
        cosines = {hit.id: hit.score for hit in (await search(nearest)).hits}
        info = small.info
        given = Subject(
            -1,
            await INTERACTIVE.run(lambda: hashlib.blake2b(data, digest_size=32).digest()),
            len(data),
            info.width,
            info.height,
            info.taken_at if info.metadata.get("taken_at_source") != "file" else None,
            0,
            perceptual_hash.of_pixels(small.pixels),
            info.format == "raw",
        )
        near, alike = await HEAVY.run(self._near, given, cosines.keys())
        examined = await self._decoder.examine_bytes(data) if alike else None
        found: list[DuplicateFile] = []
        for subject in near:
            cosine = cosines.get(subject.id, 0.0)
            kind = await self._relation(given, examined, subject, cosine, min_similarity)
            image = self._images([subject.id]).get(subject.id) if kind else None
            if kind and image:
                found += [listed_file(image, file, kind, cosine) for file in image.files]
        found.sort(key=lambda file: (KINDS.index(file.kind), -file.similarity, file.path))
        return DuplicateMatches(matches=tuple(found))

    def _near(self, given: Subject, ids: Collection[int]) -> tuple[list[Subject], bool]:
        """Return (what may be the picture, whether any of it looks like it).

        Args:
            ids: of those that are near by meaning.
        """
        near: list[Subject] = []
        any_alike, after = False, -1
        while page := self._hasher.subjects(after, _STREAM):
            alike = pairing.looking_like(given, page)
            any_alike = any_alike or bool(alike)
            near += [
                each
                for each in page
                if each.id in ids or each.id in alike or each.hash == given.hash
            ]
            after = page[-1].id
        return near, any_alike

    async def _relation(
        self,
        given: Subject,
        examined: ExaminedImage | None,
        stored: Subject,
        cosine: float,
        min_similarity: float,
    ) -> DuplicateKind | None:
        """Return what a stored picture is to a given one."""
        if given.hash == stored.hash:
            return "same_bytes"
        pair = pairing.alike_pair(given, stored)
        other = await self._comparer.examine(stored) if pair and examined else None
        if pair and examined and other:
            kind = pairing.by_detail(pair, await HEAVY.run(compare, examined, other, pair.turn))
            if kind or pairing.are_distinct_shots(given, stored):
                return kind
        return pairing.by_look_or_meaning(given, stored, cosine, min_similarity)

    async def _known(
        self, request: DuplicatesRequest, model: ModelInfo, index: VectorIndex
    ) -> KnownPairs:
        """Return the pairs of the library as it is."""
        before = await HEAVY.run(self._pairs.load)
        known = None
        if before is not None:
            known = await HEAVY.run(self._search.updated, before, model, index)
        if known is None:
            known = await HEAVY.run(self._search.anew, model, NEAR_EMBEDDING, before)
        await self._settler.settle(known, model)
        if known.changed:
            await HEAVY.run(self._pairs.store, known)
        if request.min_similarity >= NEAR_EMBEDDING:
            return known
        wide = await HEAVY.run(self._search.anew, model, request.min_similarity, known)
        return replace(known, near=wide.near)  # what is further apart is not kept

    def _missing(self, known: KnownPairs) -> list[int]:
        """Return the ids of pictures that could not be compared."""
        unread = np.isin(known.ids, sorted(self._comparer.unread))
        missing: list[int] = known.ids[unread | ~known.subjects["seen"]].tolist()
        return missing

    def _told_missing(self, ids: Sequence[int]) -> tuple[Missing, ...]:
        unread = self._comparer.unread
        return tuple(
            Missing(
                path=image.files[0].path,
                why=unread.get(content_id) or self._hasher.why_unseen(content_id),
            )
            for content_id, image in self._images(ids).items()
            if image.files
        )

    def _page(self, known: KnownPairs, request: DuplicatesRequest, fingerprint: str) -> _Page:
        kinds = request.kinds or KINDS
        decided = self._decided()
        links = [
            link
            for link in known.links(request.min_similarity, request.burst_s)
            if link.kind in kinds and ordered(link.first, link.second) not in decided
        ]
        copied: list[int] = []
        if "same_bytes" in kinds:
            several = np.asarray(self._store.borne_by_several(), np.int64)
            copied = [
                each
                for each in several[known.rows(several) >= 0].tolist()
                if (each, each) not in decided
            ]
        found = group_ids(links, copied, known.worth)
        found.sort(key=_place)
        after = group_pages.place_of(request)
        start = 0 if after is None else bisect.bisect_right(found, after, key=_place)
        shown = found[start : None if request.limit is None else start + request.limit]
        groups = self._told_groups(shown, links, request, decided, fingerprint)
        more = start + len(shown) < len(found)
        cursor = group_pages.cursor_after(request, _place(shown[-1])) if more and shown else None
        return _Page(groups, len(found), cursor)

    def _images(self, ids: Sequence[int]) -> dict[int, Image]:
        return self._image_store.images(ids, companions=False)

    def _decided(self) -> set[tuple[int, int]]:
        """Return the pairs of ids, the lower first, that a person does not want to see."""
        decided = self._store.decided()
        ids = self._store.ids_of({each for pair in decided for each in pair})
        return {
            ordered(ids[one], ids[other]) for one, other in decided if one in ids and other in ids
        }

    def _told_groups(
        self,
        found: Sequence[tuple[DuplicateKind, list[int]]],
        links: Sequence[Link],
        request: DuplicatesRequest,
        decided: Collection[tuple[int, int]],
        fingerprint: str,
    ) -> list[DuplicateGroup]:
        """Return groups with their files; those of which no more than one file is left are not."""
        every = sorted({identity for _, ids in found for identity in ids})
        shown = set(every)
        related = {
            ordered(link.first, link.second): (link.kind, link.similarity)
            for link in links
            if link.first in shown
        }
        known_images: dict[int, Image] = {}
        for start in range(0, len(every), _BATCH):
            known_images |= self._images(every[start : start + _BATCH])
        folders = ChosenFolders(request)
        partners = _partners(decided)
        facts = self._comparer.facts(every)
        cosine = partial(self._cosine, fingerprint)
        groups = []
        for kind, ids in found:
            images = [known_images[each] for each in ids if each in known_images]
            # what meets by way of a third picture still is what a person decided
            stay = {each for each in ids if not partners.get(each, set()).isdisjoint(ids)}
            group = make_group(kind, images, related, request, stay, folders, facts, cosine)
            if len(group.files) > 1:
                groups.append(group)
        return groups

    def _cosine(self, fingerprint: str, one: int, other: int) -> float:
        vectors = self._embeddings.embeddings(fingerprint, [one, other])
        if one not in vectors or other not in vectors:
            return 0.0
        return float(vectors[one] @ vectors[other])


def _place(group: tuple[DuplicateKind, list[int]]) -> group_pages.Place:
    kind, ids = group
    return KINDS.index(kind), min(ids)


def _partners(decided: Collection[tuple[int, int]]) -> dict[int, set[int]]:
    """Return, by id, the ids of those that a person decided about with this one."""
    partners: defaultdict[int, set[int]] = defaultdict(set)
    for one, other in decided:
        partners[one].add(other)
        partners[other].add(one)
    return partners
