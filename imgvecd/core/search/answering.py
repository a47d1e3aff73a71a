"""Answers prepared queries: the index's nearest and what names have, as a page of hits."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence

import msgspec
import numpy as np

from imgvecd.api import (
    MOST_COUNTED,
    Band,
    Filters,
    Hit,
    Image,
    Matched,
    Path,
    SearchResponse,
    clock_text,
)
from imgvecd.asked_files import ask_for_files, asked_first
from imgvecd.core.search.filter_ids import is_among
from imgvecd.core.search.fusion import LADDER_RANKS, fused, ladder
from imgvecd.core.search.paging import (
    Cursor,
    Found,
    Group,
    Key,
    digest,
    group_bursts,
    group_by_name,
    key_of,
)
from imgvecd.core.search.query import Query, name_words
from imgvecd.core.search.remembered import Remembered
from imgvecd.protocols import EmbeddingSource, ImageStore, SearchStore, VectorIndex
from imgvecd.types import Float32Array, Int64Array, ModelInfo

SPARE = 32
"""Asked for on top of a page, against images that came since the page before."""

_NEAREST = 3  # named where nothing is found
# Why an image is found by words: the columns that have all of them. The first that fits is told.
_COLUMNS: dict[Matched, str] = {"name": "file", "metadata": "file told", "text": "file told seen"}
_BEARS = 4.0  # above any score: images that bear a name come first in their band
_LOWER: dict[Band, Band] = {"found": "weaker", "weaker": "nearest", "nearest": "nearest"}
_COUNTED: tuple[Band, ...] = ("found", "weaker")
# With more images than this, those beyond a page are not counted but estimated: thousands of exact
# scores would take longer than the search.
_COUNTED_ONE_BY_ONE = 100_000
_MARGIN = 1.25  # by which more are asked for than are likely: asking twice costs as much again
_REMEMBERED = 1024  # images as hits show them: a megabyte
_MOST_FILES = 20  # of one of them
_MOST_NAMED_READ = 200_000  # ids, before filters; the newest


class Answering:
    """Answers queries of one model over one index. Thread-safe; every method blocks."""

    def __init__(
        self,
        model: ModelInfo,
        index: VectorIndex,
        embeddings: EmbeddingSource,
        image_store: ImageStore,
        store: SearchStore,
    ) -> None:
        self._model = model
        self._index = index
        self._embeddings = embeddings
        self._image_store = image_store
        self._store = store
        self._instance = embeddings.instance()
        self._shown: Remembered[int, Hit] = Remembered(
            lambda: store.state,
            _REMEMBERED,
            lambda hit: len(hit.other_paths) + len(hit.companions) < _MOST_FILES,
        )

    def answer(self, query: Query) -> SearchResponse:
        """Return a page of hits; blocks."""
        request = query.request
        cursor = None if request.cursor is None else Cursor.decode(request.cursor, request)
        allowed = query.allowed
        searched = len(self._index) if allowed is None else len(allowed)
        searched += query.others.searched
        query, named = self._withname_words(query)
        query, groups, more, best = self._page(query, named, cursor, searched)
        hits = self.hits(query, groups)
        next_cursor = None
        if more and groups:
            key = key_of(request.order, groups[-1].leader)
            shown = len(groups) + (cursor.shown if cursor else 0)
            next_cursor = Cursor(digest(request), shown, query.cuts, _plain(key)).encode()
        found, weaker = _counts(query, best, searched)
        nearest: tuple[Hit, ...] = ()
        if not found and cursor is None:
            nearest = self.hits(query, list(map(Group, best[:_NEAREST])))
        return SearchResponse(
            hits=hits,
            searched=searched,
            clock=clock_text(self._instance, self._index.clock),
            took_ms=0.0,
            model=self._model.name,
            found=found,
            weaker=weaker,
            nearest=next(iter(nearest), None),
            nearest_hits=nearest,
            understood=query.understood,
            next_cursor=next_cursor,
        )

    def _withname_words(self, query: Query) -> tuple[Query, list[Found]]:
        """Return the query, and what is found by its name and metadata, or bears a name in it."""
        ids = self._named(query)
        every = ids if query.bearers is None else np.union1d(ids, query.bearers)[-MOST_COUNTED:]
        vectors = self._vectors(every.tolist()) if len(every) else {}
        by_words = set(ids.tolist())
        named = [
            _found(query, content_id, float(vector @ query.vector), content_id in by_words)
            for content_id, vector in vectors.items()
        ]
        if named and not query.cuts.ladder:
            scores = [image.score for image in self._best(query, LADDER_RANKS)]
            cuts = msgspec.structs.replace(query.cuts, ladder=ladder(scores))
            query = dataclasses.replace(query, cuts=cuts)
        return query, named

    def _named(self, query: Query) -> Int64Array:
        """Return the ids of images whose names and metadata have all words that were typed."""
        found = self._named_among(query.names, query.allowed)
        if query.understood is not None:
            # names may have the time as well: "invoice 2019.jpg" was scanned when it was
            whole = self._named_among(name_words(query.request), query.unfiltered)
            if query.bearers is not None:  # the words besides the name say nothing of whose it is
                found = np.intersect1d(found, query.bearers)
            found = np.union1d(found, whole)
        if query.takes_all and query.bearers is not None:
            found = np.union1d(found, query.bearers)
        elif query.takes_all and query.allowed is not None:
            found = np.union1d(found, query.allowed)
        return found[-MOST_COUNTED:]

    def _named_among(self, words: str, allowed: Int64Array | None) -> Int64Array:
        if allowed is None:
            return self._store.named(words, MOST_COUNTED)
        found = self._store.named(words, _MOST_NAMED_READ)
        return np.intersect1d(found, allowed, assume_unique=True)

    def _page(
        self, query: Query, named: list[Found], cursor: Cursor | None, searched: int
    ) -> tuple[Query, list[Group], bool, list[Found]]:
        """Return (the query, groups of one page, whether more come after it, the best images).

        The best images are enough to count those of the bands, unless that takes long.
        """
        request = query.request
        by_score = request.order == "score" and request.group is None
        k = request.limit + SPARE + (cursor.shown if cursor else 0)
        all_there_are = len(self._index) + len(query.others.hits) + 1
        if not by_score:
            k = max(k, MOST_COUNTED)
        elif query.scale is not None and searched <= _COUNTED_ONE_BY_ONE:
            likely = query.scale.share_above(query.cuts.least("weaker")) * searched
            k = max(k, min(round(_MARGIN * likely) + SPARE, MOST_COUNTED))
        k = min(k, all_there_are)
        while True:
            nearest = self._best(query, k)
            cut = query if cursor else _cut_by_best(query, nearest)
            if cut.cuts != query.cuts:
                query = cut
                nearest, named = (_in_bands(query, images) for images in (nearest, named))
            best = self._shown_once(fused(nearest, named, query.cuts.ladder))
            groups = self._grouped(query, query.wanted(best))
            if cursor is not None:
                groups = [g for g in groups if _plain(key_of(request.order, g.leader)) > cursor.key]
            last = nearest[-1].score if len(nearest) == k else -math.inf
            unseen = key_of("score", _found(query, -1, last, False))
            full = len(groups) > request.limit and (
                key_of("score", groups[request.limit - 1].leader) < unseen
            )
            complete = full or last < query.least or not by_score
            all_counted = last < query.cuts.least("weaker")
            counted = all_counted or k >= MOST_COUNTED or searched > _COUNTED_ONE_BY_ONE
            if complete and counted:
                return query, groups[: request.limit], len(groups) > request.limit, best
            k = max(2 * k, MOST_COUNTED)

    def _best(self, query: Query, k: int) -> list[Found]:
        others = [
            _found(query, hit.id, hit.score, False)._replace(
                taken_at=hit.taken_at, path=hit.path.encode()
            )
            for hit in query.others.hits.values()
        ]
        if query.allowed is not None and not len(query.allowed):
            return others[:k]
        scores, ids = self._index.search(query.vector[None], k, allowed=query.allowed)
        here = _all_found(query, ids[0], scores[0])
        if not others:
            return here
        return sorted([*here, *others], key=lambda image: (-image.score, image.id))[:k]

    def _shown_once(self, images: list[Found]) -> list[Found]:
        """Return them less the RAW files of which the picture made is among them."""
        made = self._store.developed([image.id for image in images])
        if not made:
            return images
        ids = {image.id for image in images}
        return [image for image in images if not made.get(image.id, set()) & ids]

    def _grouped(self, query: Query, found: list[Found]) -> list[Group]:
        request = query.request
        if request.order != "score" or request.group in {"day", "folder"}:
            keys = self._store.order_keys([image.id for image in found])
            found = [
                image._replace(taken_at=keys[image.id][0], path=keys[image.id][1])
                if image.id in keys
                else image
                for image in found
                if image.id in keys or image.id in query.others.hits
            ]
        if request.order != "score" or query.bearers is not None or request.cursor is not None:
            found.sort(key=lambda image: key_of(request.order, image))
        if request.group == "day":
            return group_by_name(found, lambda image: (image.taken_at or "")[:10])
        if request.group == "folder":
            return group_by_name(found, lambda image: Path.of(os.path.dirname(image.path)).path)
        if request.group == "near-duplicates":
            vectors = self._vectors([image.id for image in found])
            found = [image for image in found if image.id in vectors]
            rows = [vectors[image.id] for image in found]
            return group_bursts(found, np.stack(rows)) if rows else []
        # a first page needs no more than tell that others follow
        return list(map(Group, found if request.cursor else found[: request.limit + 1]))

    def hits(self, query: Query, groups: Sequence[Group]) -> tuple[Hit, ...]:
        """Return what shows `groups`, with relevance, and shares if they are asked for."""
        ids = [group.leader.id for group in groups]
        if ask_for_files(query.request.filters):  # each image by a file that they are about
            shown = self._look_at(ids, query.request.filters)
        else:
            shown = self._shown.answers(ids, self._look_at)
        vectors = self._vectors(ids) if query.request.explain else {}
        named = [group.leader.id for group in groups if _is_matched(query, group.leader)]
        matched = self._matched(query, named) if named else {}
        hits = []
        for group in groups:
            leader = group.leader
            hit = query.others.hits.get(leader.id)
            if leader.id in shown:
                hit = shown[leader.id]
                also_in = query.others.also_in.get(hit.id, ())
                hit = msgspec.structs.replace(hit, score=leader.score, also_in=also_in)
            if hit is None:
                continue
            scale, vector = query.scale, vectors.get(leader.id)
            hits.append(
                msgspec.structs.replace(
                    hit,
                    relevance=None if scale is None else round(scale.relevance(leader.score), 3),
                    band=None if scale is None else leader.band,
                    matched=matched.get(leader.id),
                    group=group.name,
                    group_size=None if group.name is None else group.size,
                    shares=None
                    if vector is None
                    else tuple(round(float(share), 6) for share in query.parts @ vector),
                )
            )
        return tuple(hits)

    def _look_at(self, ids: Sequence[int], filters: Filters | None = None) -> dict[int, Hit]:
        """Return what shows images, with no score yet; by files that filters asked for."""
        images = self._image_store.images(ids, facts=False)
        if filters is not None:
            images = {key: asked_first(image, filters) for key, image in images.items()}
        return {content_id: hit_of(image, 0.0) for content_id, image in images.items()}

    def _matched(self, query: Query, named: list[int]) -> dict[int, Matched]:
        """Return why images are found that are not only by what they show."""
        words = [query.names, name_words(query.request)]
        if query.understood is not None:
            words += query.understood.name_words.split(", ")
        matched: dict[int, Matched] = {}
        for reason, columns in _COLUMNS.items():
            left = [content_id for content_id in named if content_id not in matched]
            for some in dict.fromkeys(words):
                found = self._store.named_by(columns, some, left)
                matched |= dict.fromkeys(found, reason)
        other: Matched = "metadata"
        if query.takes_all and query.bearers is None:
            said = query.understood
            other = "date" if said is not None and said.words and not said.place_words else "place"
        return {content_id: matched.get(content_id, other) for content_id in named}

    def hits_among(self, query: Query, ids: Sequence[int]) -> dict[int, Hit]:
        """Return the hits among some images, by id, whether the index has them yet or not."""
        named = set(self._named(query).tolist()) if ids else set()
        if query.allowed is not None:
            ids = [i for i in ids if i in named or i in query.allowed]
        made = self._store.developed(ids)
        scores = {
            content_id: float(vector @ query.vector)
            for content_id, vector in self._vectors(ids).items()
            if not (content_id in made and self._vectors(list(made[content_id])))
        }
        if query.request.least_band() != "found":
            query = _cut_by_best(query, self._best(query, 1))
        found = (_found(query, i, score, i in named) for i, score in scores.items())
        groups = list(map(Group, query.wanted(found)))
        return {hit.id: hit for hit in self.hits(query, groups)}

    def _vectors(self, ids: Sequence[int]) -> dict[int, Float32Array]:
        return self._embeddings.embeddings(self._model.fingerprint, ids)


def _is_matched(query: Query, image: Found) -> bool:
    """Whether an image is found by words, or is first since it bears a name among them."""
    return image.named or (query.bearers is not None and is_among(image.id, query.bearers))


def _found(query: Query, content_id: int, score: float, named: bool) -> Found:
    """Return an image; those that bear the names in the query come first in their band."""
    band = query.cuts.band(score)
    place = None
    if query.bearers is not None:
        if is_among(content_id, query.bearers):
            place = score + _BEARS
        elif query.lowers_others:
            band = _LOWER[band]
    return Found(content_id, score, "found" if named else band, named=named, place=place)


def _all_found(query: Query, ids: Int64Array, scores: Float32Array) -> list[Found]:
    """Return the images that the index has found, in its order; ids below 0 are none."""
    there = ids >= 0
    kept, exact = ids[there].tolist(), scores[there].astype(np.float64)
    if query.bearers is not None:
        return [_found(query, *each, False) for each in zip(kept, exact.tolist(), strict=True)]
    return list(map(Found, kept, exact.tolist(), query.cuts.bands(exact)))


def _cut_by_best(query: Query, nearest: Sequence[Found]) -> Query:
    """Return the query with "weaker" by what the library has found, where the sample has none."""
    scale, found = query.scale, query.cuts.found
    if scale is None or not nearest or nearest[0].score < found or scale.share_above(found):
        return query
    weaker = scale.weaker_below(nearest[0].score)
    return dataclasses.replace(query, cuts=msgspec.structs.replace(query.cuts, weaker=weaker))


def _in_bands(query: Query, images: Sequence[Found]) -> list[Found]:
    """Return images in the bands of a query whose cuts have changed."""
    return [
        _found(query, image.id, image.score, image.named)._replace(
            taken_at=image.taken_at, path=image.path
        )
        for image in images
    ]


def _counts(query: Query, best: Sequence[Found], searched: int) -> tuple[int, int]:
    """Return how many images are found, and weaker: as the best show it, or as is likely."""
    floor = query.cuts.floor
    bands = [image.band for image in best if image.score >= floor]
    found, weaker = bands.count("found"), bands.count("weaker")
    # images that bear the names are all among the best, and how many others there are is no matter
    if query.scale is not None and best and not query.lowers_others:
        above = [query.scale.share_above(query.cuts.least(band)) for band in _COUNTED]
        if best[-1].score >= query.cuts.least("found") and len(best) < searched:
            found = max(found, round(above[0] * searched))
        if best[-1].score >= query.cuts.least("weaker") and len(best) < searched:
            weaker = max(weaker, round(above[1] * searched) - found)
    return min(found, MOST_COUNTED), min(weaker, MOST_COUNTED)


def _plain(key: Key) -> tuple[float | int | str, ...]:
    return tuple(part.decode() if isinstance(part, bytes) else part for part in key)


def hit_of(image: Image, score: float) -> Hit:
    """Return the hit that shows `image`, by its first file (online ones come first)."""
    first, *others = image.files
    return Hit(
        id=image.id,
        score=score,
        path=first.path,
        path_base64=first.path_base64,
        other_paths=tuple(Path(file.path, file.path_base64) for file in others),
        companions=image.companions,
        offline=first.offline,
        format=image.format,
        width=image.width,
        height=image.height,
        size_bytes=first.size_bytes,
        taken_at=image.taken_at,
        hash=image.hash,
    )
