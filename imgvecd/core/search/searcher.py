"""Answers searches: what a request means, its terms as a vector, and a page of hits for it."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import time
from collections.abc import Sequence

import msgspec
import numpy as np

from imgvecd.api import MOST_COUNTED, Filters, SearchRequest, SearchResponse
from imgvecd.core.live.broadcast import Broadcast
from imgvecd.core.search.answering import SPARE, Answering
from imgvecd.core.search.filter_ids import FilterIds
from imgvecd.core.search.languages import knows_english_only, language_of
from imgvecd.core.search.others import Elsewhere, Others
from imgvecd.core.search.paging import Cursor
from imgvecd.core.search.query import Query, cuts_of, name_words
from imgvecd.core.search.query_names import Named
from imgvecd.core.search.query_vectors import Fetch, TermEncoder, combine
from imgvecd.core.search.relevance import SMALLEST_LIBRARY, shape_of
from imgvecd.core.search.scales import Scales
from imgvecd.core.search.understanding import Meaning, understand
from imgvecd.core.threads import FILTERING, INTERACTIVE
from imgvecd.protocols import (
    Decoder,
    EmbeddingSource,
    Encoder,
    ImageStore,
    SearchStore,
    VectorIndex,
)
from imgvecd.types import Float32Array, Int64Array, ModelInfo

_TOLD = 30  # letters of a text that a note is about


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

    async def run(self) -> None:
        """Learn what relevance is measured against, once the library is large enough."""
        while not self.scales.knows_texts:
            heard = self.library_changed.count
            if len(self._index) < SMALLEST_LIBRARY or not await self.scales.learn_texts():
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
        response, of_language = await INTERACTIVE.run(self._answer, query)
        notes = [
            f"The end of {text[:_TOLD]!r}… was not looked at: the model reads no more of a text."
            for text in await self.terms.unread(query.asked.all_terms())
        ]
        notes += of_language
        notes += query.others.notes
        took_ms = (time.perf_counter() - started) * 1000
        return msgspec.structs.replace(response, took_ms=round(took_ms, 2), notes=tuple(notes))

    def _answer(self, query: Query) -> tuple[SearchResponse, list[str]]:
        response = self.answers.answer(query)
        return response, self._of_language(query, response)

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
        scale = await self.scales.scale(vector, shape)
        if request.cursor is not None:
            cursor = await INTERACTIVE.run(Cursor.decode, request.cursor, request)
            cuts = cursor.cuts
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
