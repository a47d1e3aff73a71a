"""Answers searches: what a request means, its terms as a vector, and a page of hits for it."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import functools
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import numpy as np

from imgvecd.api import MOST_COUNTED, Filters, SearchRequest, SearchResponse, Term
from imgvecd.core.live.broadcast import Broadcast
from imgvecd.core.search import query_dates
from imgvecd.core.search.answering import SPARE, Answering
from imgvecd.core.search.best_scores import prior_of
from imgvecd.core.search.elsewhere import Elsewhere, Others
from imgvecd.core.search.filter_ids import FilterIds
from imgvecd.core.search.kept_answers import KeptAnswers, key_of_request
from imgvecd.core.search.languages import knows_english_only, language_of
from imgvecd.core.search.paging import Cursor
from imgvecd.core.search.query import Query, cuts_of, name_words
from imgvecd.core.search.query_names import Named
from imgvecd.core.search.query_vectors import Fetch, TermEncoder, combine
from imgvecd.core.search.relevance import SMALLEST_LIBRARY, Scale, shape_of
from imgvecd.core.search.scales import Scales
from imgvecd.core.search.understanding import Meaning, understand
from imgvecd.core.threads import BULK, FILTERING, INTERACTIVE
from imgvecd.protocols import (
    Decoder,
    EmbeddingSource,
    Encoder,
    ImageStore,
    SearchStore,
    VectorIndex,
)
from imgvecd.types import Float32Array, Int64Array, ModelInfo

T = TypeVar("T")

_TOLD = 30  # letters of a text that a note is about
_LULL_S = 5.0  # without a change of the library: photos no longer come in
_LONGEST_WAIT_S = 60.0
_ALONE = "Only this library was searched: `shared.url` is not set, so it knows no other."


@dataclass(slots=True)
class _Known:
    """What one request has found out so far.

    Attributes:
        begun: whether a thread may have looked at anything that the answer depends on.
        state: of all that, as it was before; None until it is known.
        vectors: of its terms.
        combined: unit vector, each term's part of it.
        allowed: filters, each with the ids that pass.
        scale: it or None, in a tuple, once it is known.
    """

    begun: bool = False
    state: Hashable = None
    meaning: Meaning | None = None
    vectors: Float32Array | None = None
    combined: tuple[Float32Array, Float32Array] | None = None
    allowed: list[tuple[Filters, Int64Array | None]] = field(default_factory=list)
    scale: tuple[Scale | None] | None = None


@dataclass(slots=True)
class _Finding:
    """An answer that is being found, and how many requests wait for it."""

    known: _Known
    task: asyncio.Task[SearchResponse]
    waiting: int = 0


class _UnknownError(Exception):
    """Something is not known yet, and no thread may wait for it.

    Attributes:
        learn: finds it out.
    """

    def __init__(self, learn: Callable[[], Awaitable[None]]) -> None:
        super().__init__("not known yet")
        self.learn = learn


class Searcher:
    """Answers search requests with one model over one index. For one event loop.

    Args:
        fetch: returns the image at a URL, and blocks; None where that is not wanted.
        elsewhere: searches other libraries; None where there are none.

    Attributes:
        terms: makes vectors of texts and images.
        scales: of relevance.
        answers: makes pages of hits of queries that were prepared.
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
        self._elsewhere = elsewhere
        self._store = store
        self._allowed = FilterIds(store)
        self.scales = Scales(model, index, self.terms, embeddings, store)
        self.answers = Answering(model, index, embeddings, image_store, store)
        self.library_changed = Broadcast()
        self._is_asked = False
        self._kept = KeptAnswers()
        self._finding: dict[bytes, _Finding] = {}

    async def run(self) -> None:
        """Get ready for queries: for times in words, then for relevance in a library large enough.

        The latter takes a processor as long as some dozens of photos do, which go first while they
        come in and nobody has searched.
        """
        await self._until_worth_it()
        await BULK.run(query_dates.compile_patterns)
        while not self.scales.knows_texts:
            heard = self.library_changed.count
            if len(self._index) >= SMALLEST_LIBRARY and await self.scales.learn_texts():
                return
            await self.library_changed.wait(heard)
            await self._until_worth_it()

    async def _until_worth_it(self) -> None:
        """Return when somebody has searched, the library stays as it is, or time has passed."""
        until = time.monotonic() + _LONGEST_WAIT_S
        while not self._is_asked and time.monotonic() < until:
            heard = self.library_changed.count
            if not await self.library_changed.wait(heard, _LULL_S):
                return

    async def close(self) -> None:
        """Return once all that queries had kept is in the catalog, which may be closed then."""
        await self.terms.close()

    def wake(self) -> None:
        """The library has changed."""
        self.library_changed.notify()

    def remembers(self, request: SearchRequest) -> bool:
        """Return whether nothing has to be encoded for it, as far as can be told at once."""
        return self.terms.remembers(request.all_terms())

    def kept(self, request: SearchRequest) -> SearchResponse | None:
        """Return the answer that was given before, if all that it depends on is the same."""
        if self._elsewhere is not None:
            return None
        return self._kept.find(request, self._state())

    async def search(self, request: SearchRequest) -> SearchResponse:
        """Return a page of hits for `request`, in its order.

        Raises:
            BadRequestError: a text is empty, the terms cancel each other out, or a filter or the
                cursor makes no sense.
            NotFoundError: a stored image that is not there.
            UnreadableImageError, TooLargeError: an image that cannot be decoded or fetched.
            ModelError, WorkerError: the terms cannot be encoded.
        """
        return await self._search(request, _Known())

    async def _search(self, request: SearchRequest, known: _Known) -> SearchResponse:
        started = time.perf_counter()
        if self._elsewhere is None:
            response = self.kept(request) or await self._found_once(request, known)
        else:
            query = await self._when_known(self._prepared, request, known)
            query = await self._with_others(self._elsewhere, query)
            response = await INTERACTIVE.run(self._answer, query)
        took_ms = (time.perf_counter() - started) * 1000
        return msgspec.structs.replace(response, took_ms=round(took_ms, 2))

    async def _found_once(self, request: SearchRequest, known: _Known) -> SearchResponse:
        """Return the answer of this library alone, found once for all that ask the same now."""
        key = None if known.state is not None else key_of_request(request)
        if key is None:
            return await self._when_known(self._found, request, known)
        finding = self._finding.get(key)
        if finding is None or (finding.known.begun and finding.known.state != self._state()):
            task = asyncio.create_task(self._when_known(self._found, request, known))
            finding = self._finding[key] = _Finding(known, task)
        finding.waiting += 1
        try:
            return await asyncio.shield(finding.task)  # who goes away takes it from nobody else
        finally:
            finding.waiting -= 1
            if not finding.waiting:
                finding.task.cancel()
                if self._finding.get(key) is finding:
                    del self._finding[key]

    def _state(self) -> Hashable:
        """Return what the answer to a request depends on."""
        index = self._index
        return self._store.state, index.clock, len(index), self.scales.edition, _today()

    def _found(self, request: SearchRequest, known: _Known) -> SearchResponse:
        """Return the answer of this library alone; blocks. Raises _UnknownError."""
        known.begun = True
        if known.state is None:
            known.state = self._state()
        with self._store.one_moment():
            query = self._prepared(request, known)
            if request.everywhere or request.sources:
                query = dataclasses.replace(query, others=Others(notes=(_ALONE,)))
            response = self._answer(query)
        self._kept.keep(request, known.state, response)
        return response

    def _answer(self, query: Query) -> SearchResponse:
        response = self.answers.answer(query)
        notes = [
            f"The end of {text[:_TOLD]!r}… was not looked at: the model reads no more of a text."
            for text in self.terms.unread(query.asked.all_terms())
        ]
        notes += self._of_language(query, response)
        notes += query.others.notes
        return msgspec.structs.replace(response, notes=tuple(notes))

    def _of_language(self, query: Query, response: SearchResponse) -> list[str]:
        """Return what to say of a query in a language that the model does not know."""
        said = query.understood
        text = query.request.text if said is None else said.text
        is_named = any(hit.matched in {"name", "metadata"} for hit in response.hits)
        if not text or is_named or (said and said.corrected) or not knows_english_only(self.model):
            return []
        # "playa en agosto": what is left of it may be English, too
        language = language_of(text) or (said and language_of(f"{text} {said.words}"))
        if language is None:
            return []
        seems = f"{text[:_TOLD]!r} seems to be in {language}"
        way_out = "ask in English, or set `model: multilingual`"
        return [f"{seems}, and {self.model.name} knows English only: {way_out}."]

    async def search_many(self, requests: Sequence[SearchRequest]) -> tuple[SearchResponse, ...]:
        """Return the answers to `requests`, in order, with all texts encoded at once."""
        state = self._state()
        meant = await INTERACTIVE.run(lambda: [self._read(request) for request in requests])
        await self.terms.prepare([term for each in meant for term in each.asked.all_terms()])
        known = [_Known(state=state, meaning=meaning) for meaning in meant]
        return tuple([await self._search(*each) for each in zip(requests, known, strict=True)])

    async def prepare(self, request: SearchRequest) -> Query:
        """Return `request` made ready; errors as for `search`."""
        return await self._when_known(self._prepared, request)

    async def renewed(self, query: Query) -> Query:
        """Return it over the library as it is now, for the same vector: nothing is encoded."""
        known = _Known(combined=(query.vector, query.parts))
        return await self._when_known(self._prepared, query.request, known)

    async def _when_known(
        self,
        call: Callable[[SearchRequest, _Known], T],
        request: SearchRequest,
        known: _Known | None = None,
    ) -> T:
        """Return what a call returns in a thread, in one go where all that it needs is known.

        Else it says what has to be waited for, and is called again with that.
        """
        if not self._is_asked:
            self._is_asked = True
            self.wake()
        known = known or _Known()
        self.scales.keep_up()
        while True:
            try:
                return await INTERACTIVE.run(call, request, known)
            except _UnknownError as error:
                await error.learn()

    def _prepared(self, request: SearchRequest, known: _Known) -> Query:
        """Return `request` made ready; blocks.

        Raises:
            _UnknownError: something has to be encoded, filtered or measured first.
        """
        if known.meaning is None:
            known.meaning = self._read(request)
        asked, said, named = known.meaning.asked, known.meaning.said, known.meaning.named
        terms = asked.all_terms()
        vector, parts = self._combined(terms, known)
        allowed = unfiltered = bearers = None
        if asked.filters != Filters():
            allowed = self._passing(asked.filters, known)
        if said is not None and request.filters != Filters():
            unfiltered = self._passing(request.filters, known)
        if named:
            bearers = self._bearers(named, allowed)
        scale = self._scale(vector, terms, known)
        if request.cursor is not None:
            cuts = Cursor.decode(request.cursor, request).cuts
        else:
            cuts = cuts_of(request, scale)
        names = name_words(asked) if said is None or said.text else ""
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
            any(name.is_sure for name in named),
        )

    def _read(self, request: SearchRequest) -> Meaning:
        return understand(
            request, self._store, _today(), english_only=knows_english_only(self.model)
        )

    def _combined(self, terms: Sequence[Term], known: _Known) -> tuple[Float32Array, Float32Array]:
        """Return (unit vector, each term's part of it)."""
        if known.combined is None:
            vectors = known.vectors
            if vectors is None:
                vectors = self.terms.known(terms)
            if vectors is None:

                async def encode() -> None:
                    known.vectors = await self.terms.vectors(terms)

                raise _UnknownError(encode)
            weights = [term.weight for term in terms]
            vector, length = combine(vectors, weights)
            parts = vectors * (np.asarray(weights, np.float32)[:, None] / np.float32(length))
            known.combined = vector, parts
        return known.combined

    def _passing(self, filters: Filters, known: _Known) -> Int64Array:
        ids = next((ids for looked, ids in known.allowed if looked == filters), None)
        if ids is None:
            ids = self._allowed.known(filters, self._embeddings.clock())
        if ids is None:

            async def look() -> None:
                known.allowed.append((filters, await FILTERING.run(self.allowed_ids, filters)))

            raise _UnknownError(look)
        return ids

    def _scale(self, vector: Float32Array, terms: Sequence[Term], known: _Known) -> Scale | None:
        if known.scale is not None:
            return known.scale[0]
        shape = shape_of([(term.text is not None, term.weight) for term in terms])
        texts = [term.text for term in terms if term.text is not None]
        prior = prior_of(texts, english_only=knows_english_only(self.model))
        is_known, scale = self.scales.known(vector, shape, prior)
        if not is_known:

            async def measure() -> None:
                if await self.scales.ordinary(shape) is None:
                    known.scale = (None,)

            raise _UnknownError(measure)
        return scale

    def _bearers(self, named: Sequence[Named], allowed: Int64Array | None) -> Int64Array:
        """Return the sorted ids of images that bear all names; any, after "or" or if none does."""
        found = [self._store.bearing(name.known) for name in named]
        if allowed is not None:
            found = [np.intersect1d(ids, allowed, assume_unique=True) for ids in found]
        of_all = functools.reduce(np.intersect1d, found)
        if len(of_all) and not any(name.is_other for name in named):
            return of_all
        return functools.reduce(np.union1d, found)

    async def _with_others(self, elsewhere: Elsewhere, query: Query) -> Query:
        """Return the query with what other libraries have for it, if that is wanted."""
        request = query.request
        if request.sources and elsewhere.source not in request.sources:
            query = dataclasses.replace(query, allowed=np.empty(0, np.int64), names="")
        if not elsewhere.is_wanted(request):
            return query
        k = request.limit + SPARE
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


def _today() -> datetime.date:
    return datetime.datetime.now().astimezone().date()
