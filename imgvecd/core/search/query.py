"""A request made ready: what was asked, as a vector, with what limits it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from imgvecd.api import SearchRequest, Understood
from imgvecd.core.search import emojis
from imgvecd.core.search.elsewhere import Others
from imgvecd.core.search.paging import BANDS, BandCuts, Found
from imgvecd.core.search.relevance import Scale
from imgvecd.types import Float32Array, Int64Array

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

    def wanted(self, images: Iterable[Found]) -> list[Found]:
        """Return those images that are hits."""
        floor, bands = self.cuts.floor, BANDS[: BANDS.index(self.request.least_band()) + 1]
        return [
            image
            for image in images
            if image.score >= floor and (image.named or image.band in bands)
        ]


def name_words(request: SearchRequest) -> str:
    """Return the words of a request that asks for nothing but one text, and for names."""
    (term, *others) = emojis.spelled_out(request)[0].all_terms()
    return term.text or "" if request.names and not others and term.weight > 0 else ""


def cuts_of(request: SearchRequest, scale: Scale | None) -> BandCuts:
    """Return the scores at which the bands of a request begin."""
    floor = -1.0 if request.min_score is None else request.min_score
    if scale is None:
        return BandCuts(-1.0, -1.0, floor)
    if request.min_relevance is not None:
        floor = max(floor, scale.score(request.min_relevance))
    return BandCuts(scale.found, scale.weaker, floor)
