"""Answers searches: terms to a vector, the index's answer to images, those to a page of hits."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import datetime
import functools
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

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
    SearchRequest,
    SearchResponse,
    Understood,
)
from imgvecd.core.live.broadcast import Broadcast
from imgvecd.core.search.filter_ids import FilterIds, is_among
from imgvecd.core.search.fusion import LADDER_RANKS, fused, ladder
from imgvecd.core.search.languages import knows_english_only, language_of
from imgvecd.core.search.others import Elsewhere, Others
from imgvecd.core.search.paging import (
    BANDS,
    BandCuts,
    Cursor,
    Found,
    Group,
    Key,
    digest,
    group_bursts,
    group_by_name,
    key_of,
)
from imgvecd.core.search.query_names import Named
from imgvecd.core.search.query_vectors import Fetch, TermEncoder, combine
from imgvecd.core.search.relevance import (
    REFERENCE_TEXTS,
    SMALLEST_LIBRARY,
    Ordinary,
    Relevance,
    Scale,
    Shape,
    shape_of,
)
from imgvecd.core.search.understanding import Meaning, understand
from imgvecd.core.slots import Slots
from imgvecd.core.threads import FILTERING, INTERACTIVE, asker
from imgvecd.errors import ImgvecdError
from imgvecd.protocols import (
    Decoder,
    EmbeddingSource,
    Encoder,
    ImageStore,
    SearchStore,
    VectorIndex,
)
from imgvecd.types import Float32Array, Int64Array, Lane, ModelInfo

logger = logging.getLogger(__name__)

T = TypeVar("T")

_NEAREST = 3  # named where nothing is found
# Asked of the index on top of a page, against images that came since the page before.
_SPARE = 32
# Why an image is found by words: the columns that have all of them. The first that fits is told.
_COLUMNS: dict[Matched, str] = {"name": "file", "metadata": "file told", "text": "file told seen"}
_BEARS = 4.0  # above any score: images that bear a name come first in their band
_LOWER: dict[Band, Band] = {"found": "weaker", "weaker": "nearest", "nearest": "nearest"}
_COUNTED: tuple[Band, ...] = ("found", "weaker")
# With more images than this, those beyond a page are not counted but estimated: thousands of exact
# scores would take longer than the search.
_COUNTED_ONE_BY_ONE = 100_000
_TOLD = 30  # letters of a text that a note is about
_MOST_NAMED_READ = 200_000  # ids, before filters; the newest
_REFERENCE_BATCH = 32  # texts; a person's query waits for one batch at the most


_NO_OTHERS = Others()


@dataclass(frozen=True, slots=True)
class Query:
    """A request, ready to be answered.

    Attributes:
        asked: the request with what was understood of its text as filters.
        vector: shape (dim,), unit.
        parts: shape (terms, dim): each term's weighted vector over the length of their sum.
        allowed: ids that the filters leave; None allows all.
        scale: None while relevance cannot be told.
        cuts: scores at which the bands begin.
        names: words that are looked for in names and metadata, too; empty for none.
        understood: what its text says of a time and a place; that has gone into `allowed`.
        unfiltered: what is allowed without that.
        bearers: sorted ids of those allowed that bear the names in its text; None if it has none.
        lowers_others: whether all others are a band lower, since the names mean nothing else.
        others: what other libraries have for it.
    """

    request: SearchRequest
    asked: SearchRequest
    vector: Float32Array
    parts: Float32Array
    allowed: Int64Array | None
    scale: Scale | None
    cuts: BandCuts
    names: str = ""
    understood: Understood | None = None
    unfiltered: Int64Array | None = None
    bearers: Int64Array | None = None
    lowers_others: bool = False
    others: Others = _NO_OTHERS

    @property
    def least(self) -> float:
        """Score from which an image is a hit by what it shows."""
        return self.cuts.least(self.request.least_band())

    @property
    def takes_all(self) -> bool:
        """Whether all of a time or a place is meant, whatever it shows."""
        return self.understood is not None and not self.understood.text

    def wants(self, found: Found) -> bool:
        """Return whether an image is a hit."""
        surest = BANDS.index(self.request.least_band()) >= BANDS.index(found.band)
        return found.score >= self.cuts.floor and (found.named or surest)


class Searcher:
    """Answers search requests with one model over one index. For one event loop.

    Args:
        fetch: returns the image at a URL, and blocks; None where that is not wanted.
        elsewhere: searches other libraries; None where there are none.

    Attributes:
        terms: makes vectors of texts and images.
        library_changed: notifies when the library has changed.
    """

    def __init__(
        self,
        model: ModelInfo,
        index: VectorIndex,
        *,
        encoder: Encoder,
        decoder: Decoder,
        embeddings: EmbeddingSource,
        image_store: ImageStore,
        store: SearchStore,
        fetch: Fetch | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.model = model
        self.terms = TermEncoder(model, encoder, decoder, embeddings, store, fetch)
        self._index = index
        self._embeddings = embeddings
        self._image_store = image_store
        self._elsewhere = elsewhere
        self._store = store
        self._allowed = FilterIds(store)
        self._relevance = Relevance(self._sample)
        self._measuring = Slots(1)
        self._measures: set[asyncio.Future[Any]] = set()
        self.library_changed = Broadcast()
        self._instance = embeddings.instance()

    async def run(self) -> None:
        """Learn what relevance is measured against, once the library is large enough."""
        while not self._relevance.knows_texts:
            heard = self.library_changed.count
            if len(self._index) < SMALLEST_LIBRARY or not await self._learn_texts():
                await self.library_changed.wait(heard)

    def wake(self) -> None:
        """The library has changed."""
        self.library_changed.notify()

    async def search(self, request: SearchRequest) -> SearchResponse:
        """Return a page of hits for `request`, in its order.

        Raises:
            BadRequestError: a text is empty, the terms cancel each other out, or a filter or the
                cursor makes no sense.
            NotFoundError: a stored image that is not there.
            UnreadableImageError, TooLargeError: an image that cannot be decoded or fetched.
            ModelError, WorkerError: the terms cannot be encoded.
        """
        started = time.perf_counter()
        query = await self._with_others(await self.prepare(request))
        response = await INTERACTIVE.run(self._answer, query)
        notes = [
            f"The end of {text[:_TOLD]!r}… was not looked at: the model reads no more of a text."
            for text in await self.terms.unread(query.asked.all_terms())
        ]
        notes += await INTERACTIVE.run(self._of_language, query, response)
        notes += query.others.notes
        took_ms = (time.perf_counter() - started) * 1000
        return msgspec.structs.replace(response, took_ms=round(took_ms, 2), notes=tuple(notes))

    def _of_language(self, query: Query, response: SearchResponse) -> list[str]:
        """Return what to say of a query in a language that the model does not know."""
        said = query.understood
        text = query.request.text if said is None else said.text
        is_named = any(hit.matched in {"name", "metadata"} for hit in response.hits)
        if not text or is_named or (said and said.corrected) or not knows_english_only(self.model):
            return []
        language = language_of(text)
        if language is None:
            return []
        seems = f"{text[:_TOLD]!r} seems to be in {language}"
        way_out = "ask in English, or set `model: multilingual`"
        return [f"{seems}, and {self.model.name} knows English only: {way_out}."]

    async def search_many(self, requests: Sequence[SearchRequest]) -> tuple[SearchResponse, ...]:
        """Return the answers to `requests`, in order, with all texts encoded at once."""
        meant = [await self._understand(request) for request in requests]
        await self.terms.prepare([term for each in meant for term in each.asked.all_terms()])
        return tuple([await self.search(request) for request in requests])

    async def prepare(self, request: SearchRequest) -> Query:
        """Return `request` made ready; errors as for `search`."""
        meaning = await self._understand(request)
        terms = meaning.asked.all_terms()
        weights = [term.weight for term in terms]
        vectors = await self.terms.vectors(terms)
        vector, length = combine(vectors, weights)
        parts = vectors * (np.asarray(weights, np.float32)[:, None] / np.float32(length))
        return await self._among(request, meaning, vector, parts)

    async def _understand(self, request: SearchRequest) -> Meaning:
        if request.text is None:
            return Meaning(request)
        return await INTERACTIVE.run(self._read, request)

    def _read(self, request: SearchRequest) -> Meaning:
        return understand(
            request, self._store, _today(), english_only=knows_english_only(self.model)
        )

    async def renewed(self, query: Query) -> Query:
        """Return it over the library as it is now, for the same vector: nothing is encoded."""
        meaning = await self._understand(query.request)
        return await self._among(query.request, meaning, query.vector, query.parts)

    async def _among(
        self,
        request: SearchRequest,
        meaning: Meaning,
        vector: Float32Array,
        parts: Float32Array,
    ) -> Query:
        asked, said = meaning.asked, meaning.said
        allowed = unfiltered = bearers = None
        if asked.filters != Filters():
            allowed = await FILTERING.run(self.allowed_ids, asked.filters)
        if said is not None and request.filters != Filters():
            unfiltered = await FILTERING.run(self.allowed_ids, request.filters)
        if meaning.named:
            bearers = await INTERACTIVE.run(self._bearers, meaning.named, allowed)
        terms = asked.all_terms()
        shape = shape_of([(term.text is not None, term.weight) for term in terms])
        scale = await self._scale(vector, shape)
        if request.cursor is not None:
            cursor = await INTERACTIVE.run(Cursor.decode, request.cursor, request)
            cuts = cursor.cuts
        else:
            cuts = _cuts(request, scale)
        names = _names(asked) if said is None or said.text else ""
        return Query(
            request,
            asked,
            vector,
            parts,
            allowed,
            scale,
            cuts,
            names,
            said,
            unfiltered,
            bearers,
            any(name.is_sure for name in meaning.named),
        )

    def _bearers(self, named: Sequence[Named], allowed: Int64Array | None) -> Int64Array:
        """Return the sorted ids of images that bear all names, or any where none bears all."""
        found = [self._store.bearing(name.known) for name in named]
        if allowed is not None:
            found = [np.intersect1d(ids, allowed, assume_unique=True) for ids in found]
        of_all = functools.reduce(np.intersect1d, found)
        return of_all if len(of_all) else functools.reduce(np.union1d, found)

    async def _with_others(self, query: Query) -> Query:
        """Return the query with what other libraries have for it, if that is wanted."""
        request, elsewhere = query.request, self._elsewhere
        if elsewhere is None:
            if not (request.everywhere or request.sources):
                return query
            alone = "Only this library was searched: `shared.url` is not set, so it knows no other."
            return dataclasses.replace(query, others=Others(notes=(alone,)))
        if request.sources and elsewhere.source not in request.sources:
            query = dataclasses.replace(query, allowed=np.empty(0, np.int64), names="")
        if not elsewhere.is_wanted(request):
            return query
        k = request.limit + _SPARE
        if request.cursor is not None:
            k += (await INTERACTIVE.run(Cursor.decode, request.cursor, request)).shown
        if request.order != "score" or request.group is not None:
            k = MOST_COUNTED
        others = await elsewhere.find(
            self.model.fingerprint, query.asked, query.vector, k, query.allowed
        )
        return dataclasses.replace(query, others=others)

    def allowed_ids(self, filters: Filters) -> Int64Array | None:
        """Return the sorted ids that pass, or None if nothing is filtered; blocks."""
        return self._allowed.ids(filters, self._embeddings.clock())

    async def ordinary(self, shape: Shape) -> Ordinary | None:
        """Return what ordinary queries get; None if that is not known yet."""
        return await self._alone(lambda: self._relevance.ordinary(shape, len(self._index)))

    async def _scale(self, vector: Float32Array, shape: Shape) -> Scale | None:
        return await self._alone(lambda: self._relevance.scale(vector, shape, len(self._index)))

    async def _alone(self, measure: Callable[[], T]) -> T:
        """Return what is measured in a thread, with no other measuring beside it.

        A caller that leaves leaves the thread behind: nobody else may measure until it ends.
        """
        measuring = asyncio.ensure_future(self._measure(measure))
        self._measures.add(measuring)
        measuring.add_done_callback(self._measured)
        return await asyncio.shield(measuring)

    async def _measure(self, measure: Callable[[], T]) -> T:
        who = asker.get()
        async with self._measuring.slot(who and who.client):
            asker.set(None)  # whoever measures keeps all others waiting, so it takes no more turns
            if not self._relevance.knows_texts:
                await self._recall_texts()
            return await INTERACTIVE.run(measure)

    def _measured(self, measuring: asyncio.Future[Any]) -> None:
        self._measures.discard(measuring)
        if not measuring.cancelled():
            measuring.exception()  # whoever asked may have left

    async def _recall_texts(self) -> None:
        kept = await self.terms.kept_texts(REFERENCE_TEXTS)
        if len(kept) == len(REFERENCE_TEXTS):
            self._relevance.learn_texts(np.stack([kept[text] for text in REFERENCE_TEXTS]))

    async def _learn_texts(self) -> bool:
        try:
            for start in range(0, len(REFERENCE_TEXTS), _REFERENCE_BATCH):
                batch = REFERENCE_TEXTS[start : start + _REFERENCE_BATCH]
                await self.terms.texts(batch, Lane.BULK)
        except ImgvecdError as error:
            logger.debug("reference texts are not encoded: %s", error)
            return False
        async with self._measuring.slot(None):
            await self._recall_texts()
        return self._relevance.knows_texts

    def _sample(self, count: int) -> Float32Array:
        ids = self._store.sample_ids(self.model.fingerprint, count)
        found = self._embeddings.embeddings(self.model.fingerprint, ids)
        rows = [found[content_id] for content_id in ids if content_id in found]
        return np.stack(rows) if rows else np.empty((0, self.model.dim), np.float32)

    def _answer(self, query: Query) -> SearchResponse:
        request = query.request
        cursor = None if request.cursor is None else Cursor.decode(request.cursor, request)
        allowed = query.allowed
        searched = len(self._index) if allowed is None else len(allowed)
        searched += query.others.searched
        query, named = self._with_names(query)
        groups, more, best = self._page(query, named, cursor, searched)
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
            clock=f"c:{self._instance}:{self._index.clock}",
            took_ms=0.0,
            model=self.model.name,
            found=found,
            weaker=weaker,
            nearest=next(iter(nearest), None),
            nearest_hits=nearest,
            understood=query.understood,
            next_cursor=next_cursor,
        )

    def _with_names(self, query: Query) -> tuple[Query, list[Found]]:
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
            whole = self._named_among(_names(query.request), query.unfiltered)
            if query.bearers is not None:  # the words besides the name say nothing of whose it is
                found = np.intersect1d(found, query.bearers)
            found = np.union1d(found, whole)
        if query.takes_all and query.allowed is not None:
            found = np.union1d(found, query.allowed)
        return found[-MOST_COUNTED:]

    def _named_among(self, words: str, allowed: Int64Array | None) -> Int64Array:
        if allowed is None:
            return self._store.named(words, MOST_COUNTED)
        found = self._store.named(words, _MOST_NAMED_READ)
        return np.intersect1d(found, allowed, assume_unique=True)

    def _page(
        self, query: Query, named: list[Found], cursor: Cursor | None, searched: int
    ) -> tuple[list[Group], bool, list[Found]]:
        """Return (groups of one page, whether more come after it, the best images).

        The best images are enough to count those of the bands, unless that takes long.
        """
        request = query.request
        by_score = request.order == "score" and request.group is None
        k = request.limit + _SPARE + (cursor.shown if cursor else 0)
        all_there_are = len(self._index) + len(query.others.hits) + 1
        k = min(k if by_score else max(k, MOST_COUNTED), all_there_are)
        while True:
            nearest = self._best(query, k)
            best = self._shown_once(fused(nearest, named, query.cuts.ladder))
            groups = self._grouped(query, [image for image in best if query.wants(image)])
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
                return groups[: request.limit], len(groups) > request.limit, best
            k = max(2 * k, MOST_COUNTED)

    def _best(self, query: Query, k: int) -> list[Found]:
        others = [
            dataclasses.replace(
                _found(query, hit.id, hit.score, False),
                taken_at=hit.taken_at,
                path=hit.path.encode(),
            )
            for hit in query.others.hits.values()
        ]
        if query.allowed is not None and not len(query.allowed):
            return others[:k]
        scores, ids = self._index.search(query.vector[None], k, allowed=query.allowed)
        here = [
            _found(query, int(content_id), float(score), False)
            for content_id, score in zip(ids[0], scores[0], strict=True)
            if content_id >= 0
        ]
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
                dataclasses.replace(image, taken_at=keys[image.id][0], path=keys[image.id][1])
                if image.id in keys
                else image
                for image in found
                if image.id in keys or image.id in query.others.hits
            ]
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
        return [Group(image) for image in found]

    def hits(self, query: Query, groups: Sequence[Group]) -> tuple[Hit, ...]:
        """Return what shows `groups`, with relevance, and shares if they are asked for."""
        ids = [group.leader.id for group in groups]
        images = self._image_store.images(ids)
        vectors = self._vectors(ids) if query.request.explain else {}
        named = [group.leader.id for group in groups if group.leader.named]
        matched = self._matched(query, named) if named else {}
        hits = []
        for group in groups:
            leader = group.leader
            hit = query.others.hits.get(leader.id)
            if leader.id in images:
                hit = hit_of(images[leader.id], leader.score)
                hit = msgspec.structs.replace(hit, also_in=query.others.also_in.get(hit.id, ()))
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

    def _matched(self, query: Query, named: list[int]) -> dict[int, Matched]:
        """Return why images are found that are not by what they show."""
        matched: dict[int, Matched] = {}
        for reason, columns in _COLUMNS.items():
            left = [content_id for content_id in named if content_id not in matched]
            for words in {query.names, _names(query.request)}:
                found = self._store.named_by(columns, words, left)
                matched |= dict.fromkeys(found, reason)
        other: Matched = "metadata"
        if query.takes_all:
            other = "date" if query.asked.filters.place == query.request.filters.place else "place"
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
        groups = [
            Group(found)
            for content_id, score in scores.items()
            if query.wants(found := _found(query, content_id, score, content_id in named))
        ]
        return {hit.id: hit for hit in self.hits(query, groups)}

    def _vectors(self, ids: Sequence[int]) -> dict[int, Float32Array]:
        return self._embeddings.embeddings(self.model.fingerprint, ids)


def _names(request: SearchRequest) -> str:
    """Return the words of a request that asks for nothing but one text, and for names."""
    (term, *others) = request.all_terms()
    return term.text or "" if request.names and not others and term.weight > 0 else ""


def _today() -> datetime.date:
    return datetime.datetime.now().astimezone().date()


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


def _counts(query: Query, best: Sequence[Found], searched: int) -> tuple[int, int]:
    """Return how many images are found, and weaker: as the best show it, or as is likely."""
    counts = collections.Counter(image.band for image in best if image.score >= query.cuts.floor)
    found, weaker = counts["found"], counts["weaker"]
    # images that bear the names are all among the best, and how many others there are is no matter
    if query.scale is not None and best and not query.lowers_others:
        above = [query.scale.share_above(query.cuts.least(band)) for band in _COUNTED]
        if best[-1].score >= query.cuts.least("found") and len(best) < searched:
            found = max(found, round(above[0] * searched))
        if best[-1].score >= query.cuts.least("weaker") and len(best) < searched:
            weaker = max(weaker, round(above[1] * searched) - found)
    return min(found, MOST_COUNTED), min(weaker, MOST_COUNTED)


def _cuts(request: SearchRequest, scale: Scale | None) -> BandCuts:
    floor = -1.0 if request.min_score is None else request.min_score
    if scale is None:
        return BandCuts(-1.0, -1.0, floor)
    if request.min_relevance is not None:
        floor = max(floor, scale.score(request.min_relevance))
    return BandCuts(scale.found, scale.weaker, floor)


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
    )
