"""Looks for duplicates: prepares what is compared, compares, and groups."""

from __future__ import annotations

import asyncio
import bisect
import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
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
from imgvecd.core.duplicates.best_copies import Link, SamePicture, worth_of
from imgvecd.core.duplicates.compared_images import DuplicateStore, Subject
from imgvecd.core.duplicates.comparing import (
    AlikePair,
    Comparer,
    Comparisons,
    compare,
    key,
)
from imgvecd.core.duplicates.folder_set import require_folders
from imgvecd.core.duplicates.grouping import (
    KINDS,
    SURE,
    group_ids,
    listed_file,
    make_group,
)
from imgvecd.core.duplicates.keeper import ChosenFolders
from imgvecd.core.threads import HEAVY
from imgvecd.errors import CatalogError, UnreadableImageError
from imgvecd.protocols import Decoder, EmbeddingSource, ImageStore
from imgvecd.types import ExaminedImage, Float32Array, ModelInfo, PreprocessSpec

logger = logging.getLogger(__name__)

Search: TypeAlias = Callable[[SearchRequest], Awaitable[SearchResponse]]
"""How the nearest images to a picture are found."""

_BATCH = 64  # looks per transaction
_DECODES = 4  # asked for at once: the pool runs as many as it has workers
_STREAM = 4096
_CHECK_NEAREST = 20
_MOST_TOLD = 100  # pictures that could not be compared are named
_OFFLINE = "its folder is offline, or it has just changed"
_UNSEEN = "nobody has looked at it yet"


@dataclass(frozen=True, slots=True)
class _Compared:
    """What was compared, at one state of the catalog.

    Attributes:
        state: that, and what was asked.
        subjects: without their looks.
        unread: contents that could not be compared, and why.
        lacking: some pictures were not looked at yet.
        worth: by id, how good a copy each is that belongs to others.
    """

    state: tuple[int, str, float, float]
    subjects: list[Subject]
    links: list[Link]
    unread: dict[int, str]
    lacking: bool
    worth: dict[int, float]


@dataclass(frozen=True, slots=True)
class _Page:
    """Groups, how many there are on all pages, and what asks for the next one."""

    groups: list[DuplicateGroup]
    groups_in_all: int
    next_cursor: str | None


class DuplicateFinder:
    """Finds duplicates among all images. For one event loop.

    Args:
        keep_hashes: False where the catalog is open for reading only; then they last as long as
            the finder.
    """

    def __init__(
        self,
        *,
        store: DuplicateStore,
        image_store: ImageStore,
        embeddings: EmbeddingSource,
        decoder: Decoder,
        keep_hashes: bool = True,
    ) -> None:
        self._store = store
        self._image_store = image_store
        self._embeddings = embeddings
        self._decoder = decoder
        self._keep_hashes = keep_hashes
        self._comparer = Comparer(store, decoder, keep=keep_hashes)
        self._unkept: dict[int, bytes] = {}
        self._hopeless: dict[int, str] = {}
        self._compared: _Compared | None = None
        self._preparing = asyncio.Lock()

    async def prepare(self) -> None:
        """Look at every picture that was never looked at; what cannot be is left out.

        May be cancelled: what was looked at stays.
        """
        async with self._preparing:
            subjects = await HEAVY.run(self._subjects)
            waiting = [
                subject.id
                for subject in subjects
                if subject.perceptual_hash is None and subject.id not in self._hopeless
            ]
            for start in range(0, len(waiting), _BATCH):
                batch = waiting[start : start + _BATCH]
                found = await self._look_at(batch, perceptual_hash.SPEC)
                await self._keep(
                    {
                        identity: perceptual_hash.of_pixels(pixels)
                        for identity, pixels in found.items()
                    }
                )
                for identity in set(batch) - found.keys():
                    self._hopeless.setdefault(identity, _OFFLINE)

    async def find(self, request: DuplicatesRequest, model: ModelInfo) -> Duplicates:
        """Return the groups among the pictures that were looked at so far, or a page of them.

        Args:
            model: whose embeddings tell what is similar.

        Raises:
            BadRequestError: a folder to prefer or protect is none, or the cursor.
        """
        started = time.perf_counter()
        group_pages.place_of(request)
        require_folders(request.prefer, "prefer")
        require_folders(request.protect, "protect")
        compared = await self._compare(model, request)
        known = await self._comparer.known()
        page = await HEAVY.run(self._page, compared, known, request)
        took_ms = (time.perf_counter() - started) * 1000
        ids = {subject.id for subject in compared.subjects}
        missing = sorted(ids & compared.unread.keys())
        logger.info("duplicates: %d groups in %.0f ms", page.groups_in_all, took_ms)
        return Duplicates(
            groups=tuple(page.groups),
            groups_in_all=page.groups_in_all,
            next_cursor=page.next_cursor,
            images=len(ids),
            compared=len(ids) - len(missing),
            missing=await HEAVY.run(self._missing, missing[:_MOST_TOLD], compared.unread),
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
            hashlib.blake2b(data, digest_size=32).digest(),
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
            image = self._image_store.images([subject.id]).get(subject.id) if kind else None
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
        while page := self._subjects(after, _STREAM):
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
            verdict = await HEAVY.run(compare, examined, other, pair.turn)
            known = Comparisons(
                {given.id: examined.facts, stored.id: other.facts}, {key(given, stored): verdict}
            )
            kind = pairing.by_detail(pair, known)
            if kind or pairing.are_distinct_shots(given, stored):
                return kind
        return pairing.by_look_or_meaning(given, stored, cosine, min_similarity)

    async def _compare(self, model: ModelInfo, request: DuplicatesRequest) -> _Compared:
        """Return what there is to group; from before, where nothing has changed since."""
        clock = await HEAVY.run(self._embeddings.clock)
        state = (clock, model.fingerprint, request.min_similarity, request.burst_s)
        if self._compared is None or self._compared.state != state or self._compared.lacking:
            subjects = await HEAVY.run(self._subjects)
            vectors = await HEAVY.run(self._vectors, subjects, model)
            found = await HEAVY.run(pairing.candidates, subjects, vectors, request.min_similarity)
            alike = await HEAVY.run(pairing.alike_pairs, subjects, found)
            alike, known = await self._compared_with_the_best(subjects, alike)
            links = await HEAVY.run(_links, subjects, vectors, found, alike, known, request)
            unread = {**self._hopeless, **known.unread}
            unseen = [
                each for each in subjects if each.perceptual_hash is None and each.id not in unread
            ]
            self._compared = _Compared(
                state,
                [replace(subject, perceptual_hash=None) for subject in subjects],
                links,
                {**dict.fromkeys([each.id for each in unseen], _UNSEEN), **unread},
                lacking=bool(unseen),
                worth=worth_of(
                    subjects, known.facts, [link for link in links if link.kind in SURE]
                ),
            )
        return self._compared

    async def _compared_with_the_best(
        self, subjects: Sequence[Subject], alike: list[AlikePair]
    ) -> tuple[list[AlikePair], Comparisons]:
        """Compare pairs, and each picture of what may be a group with the best copy in it.

        Returns: all pairs that were asked about, and what is known of them.
        """
        by_id = {subject.id: subject for subject in subjects}
        asked = {key(pair.first, pair.second) for pair in alike}
        while True:
            known = await self._comparer.compared(alike)
            more = await HEAVY.run(_not_yet_asked, by_id, alike, known, asked)
            if not more:
                return alike, known
            alike = [*alike, *more]

    def _missing(self, ids: Sequence[int], unread: Mapping[int, str]) -> tuple[Missing, ...]:
        return tuple(
            Missing(path=image.files[0].path, why=unread[content_id])
            for content_id, image in self._image_store.images(ids).items()
            if image.files
        )

    def _subjects(self, after: int = -1, limit: int = -1) -> list[Subject]:
        subjects = self._store.subjects(perceptual_hash.VERSION, after=after, limit=limit)
        if not self._unkept:
            return subjects
        return [
            replace(subject, perceptual_hash=self._unkept.get(subject.id, subject.perceptual_hash))
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

    async def _look_at(self, ids: Sequence[int], spec: PreprocessSpec) -> dict[int, bytes]:
        """Return the pixels of those contents that can be decoded, by id."""
        turns = asyncio.Semaphore(_DECODES)

        async def pixels_of(content_id: int) -> bytes | None:
            async with turns:
                at = await HEAVY.run(self._store.a_file_of, content_id)
                if at is None:
                    return None
                path, file = at
                try:
                    return (await self._decoder.decode(path, file.stamp, spec)).pixels
                except UnreadableImageError as error:
                    logger.debug("%r cannot be compared: %s", path, error)
                    self._hopeless[content_id] = str(error)
                    return None

        found = await asyncio.gather(*map(pixels_of, ids))
        return {
            content_id: pixels
            for content_id, pixels in zip(ids, found, strict=True)
            if pixels is not None
        }

    async def _keep(self, found: dict[int, bytes]) -> None:
        if self._keep_hashes:
            try:
                await HEAVY.run(self._store.store_hashes, perceptual_hash.VERSION, found)
            except CatalogError as error:  # a full disk is no reason not to compare
                logger.warning("perceptual hashes are not kept: %s", error)
            else:
                return
        self._unkept.update(found)

    def _page(self, compared: _Compared, known: Comparisons, request: DuplicatesRequest) -> _Page:
        subjects = compared.subjects
        kinds = request.kinds or KINDS
        decided = self._store.decided()
        links = compared.links
        if decided or len(kinds) < len(KINDS):
            hashes = {subject.id: subject.hash for subject in subjects}
            links = [
                link
                for link in links
                if link.kind in kinds
                and _ordered(hashes[link.first], hashes[link.second]) not in decided
            ]
        copied: list[int] = []
        if "same_bytes" in kinds:
            copied = [
                subject.id
                for subject in subjects
                if subject.files > 1 and _ordered(subject.hash, subject.hash) not in decided
            ]
        found = group_ids(links, copied, compared.worth)
        found.sort(key=_place)
        after = group_pages.place_of(request)
        start = 0 if after is None else bisect.bisect_right(found, after, key=_place)
        shown = found[start : None if request.limit is None else start + request.limit]
        groups = self._told_groups(shown, links, known, request, _partners(subjects, decided))
        more = start + len(shown) < len(found)
        cursor = group_pages.cursor_after(request, _place(shown[-1])) if more and shown else None
        return _Page(groups, len(found), cursor)

    def _told_groups(
        self,
        found: Sequence[tuple[DuplicateKind, list[int]]],
        links: Sequence[Link],
        known: Comparisons,
        request: DuplicatesRequest,
        partners: Mapping[int, set[int]],
    ) -> list[DuplicateGroup]:
        """Return groups with their files; those of which no more than one file is left are not."""
        every = sorted({identity for _, ids in found for identity in ids})
        shown = set(every)
        related = {
            frozenset((link.first, link.second)): (link.kind, link.similarity)
            for link in links
            if link.first in shown
        }
        known_images: dict[int, Image] = {}
        for start in range(0, len(every), _BATCH):
            known_images |= self._image_store.images(every[start : start + _BATCH])
        folders = ChosenFolders(request)
        groups = []
        for kind, ids in found:
            images = [known_images[each] for each in ids if each in known_images]
            # what meets by way of a third picture still is what a person decided
            stay = {each for each in ids if not partners.get(each, set()).isdisjoint(ids)}
            group = make_group(kind, images, related, request, stay, folders, known.facts)
            if len(group.files) > 1:
                groups.append(group)
        return groups


def _place(group: tuple[DuplicateKind, list[int]]) -> group_pages.Place:
    kind, ids = group
    return KINDS.index(kind), min(ids)


def _partners(
    subjects: Sequence[Subject], decided: set[tuple[bytes, bytes]]
) -> defaultdict[int, set[int]]:
    """Return, by id, the ids of those subjects that a person decided about with this one."""
    partners: defaultdict[int, set[int]] = defaultdict(set)
    if not decided:
        return partners
    ids = {subject.hash: subject.id for subject in subjects}
    for one, other in decided:
        if one in ids and other in ids:
            partners[ids[one]].add(ids[other])
            partners[ids[other]].add(ids[one])
    return partners


def _ordered(one: bytes, other: bytes) -> tuple[bytes, bytes]:
    return min(one, other), max(one, other)


def _not_yet_asked(
    subjects: Mapping[int, Subject],
    alike: Sequence[AlikePair],
    known: Comparisons,
    asked: set[tuple[int, int]],
) -> list[AlikePair]:
    """Return pairs of best copies and what may be one picture with them; `asked` is added to."""
    links = [
        Link(pair.first.id, pair.second.id, kind, 0.0)
        for pair in alike
        if (kind := pairing.by_detail(pair, known)) in SURE
    ]
    worth = worth_of(subjects.values(), known.facts, links)
    found = []
    for group in SamePicture(links).groups(worth, lambda *pair: _id_key(*pair) in asked):
        for other in group.unknown:
            asked.add(_id_key(group.ids[0], other))
            pair = pairing.alike_pair(subjects[group.ids[0]], subjects[other])
            if pair is not None:
                found.append(pair)
    return found


def _id_key(one: int, other: int) -> tuple[int, int]:
    return min(one, other), max(one, other)


def _links(
    subjects: Sequence[Subject],
    vectors: Float32Array,
    found: pairing.Candidates,
    alike: Sequence[AlikePair],
    known: Comparisons,
    request: DuplicatesRequest,
) -> list[Link]:
    pairs = pairing.pairs(
        subjects,
        vectors,
        found,
        alike,
        known,
        min_similarity=request.min_similarity,
        burst_s=request.burst_s,
    )
    return [
        Link(subjects[pair.first].id, subjects[pair.second].id, pair.kind, pair.similarity)
        for pair in pairs
    ]
