"""Orders, groups and pages of found images.

A page begins after the last image of the page before, by its place in the order and not by its
number: what arrives or goes meanwhile neither shifts nor repeats anything.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, get_args

import msgspec
import numpy as np

from imgvecd.api import Band, SearchRequest, Term
from imgvecd.core import cursors
from imgvecd.errors import BadRequestError
from imgvecd.types import Float32Array, Float64Array

# Measured over 500 unrelated photos with imgvecd-mini: the nearest other one is at 0.72 or less in
# 99 of 100 cases, at 0.78 at the most; frames of a burst are above 0.9.
_BURST_COSINE = 0.9

_MOST_SHOWN = 2**40  # more images than there can be
_BLOCK = 128  # images compared in one product: a hundred times faster than one after the other

Key = tuple[float | str | bytes, ...]
"""Place in an order: ascending, unique."""

BANDS: tuple[Band, ...] = get_args(Band)
"""The surest first."""


class BandCuts(msgspec.Struct, frozen=True, array_like=True):
    """Scores at which the bands begin.

    Attributes:
        floor: no image below it is asked for, whatever its band.
        ladder: what `fusion` goes by; empty where no name fits.
    """

    found: float
    weaker: float
    floor: float
    ladder: tuple[float, ...] = ()

    def band(self, score: float) -> Band:
        """Return the band of a score."""
        return BANDS[(score < self.found) + (score < self.weaker)]

    def bands(self, scores: Float64Array) -> list[Band]:
        """Return the bands of scores, shape (n,)."""
        places = (scores < self.found).astype(np.int8) + (scores < self.weaker)
        return [BANDS[place] for place in places.tolist()]

    def least(self, band: Band) -> float:
        """Return the lowest score that is asked for if `band` is the least sure one."""
        starts = {"found": self.found, "weaker": self.weaker, "nearest": self.floor}
        return max(starts[band], self.floor)


class Found(NamedTuple):
    """An image that a search may show; there may be thousands.

    Attributes:
        named: found by its name or metadata.
        place: goes before the score where scores give the order.
    """

    id: int
    score: float
    band: Band = "found"
    taken_at: str | None = None
    path: bytes = b""
    named: bool = False
    place: float | None = None


class Group(NamedTuple):
    """What is shown once: its leader, and how many images it stands for."""

    leader: Found
    size: int = 1
    name: str | None = None


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended.

    Attributes:
        query: digest of the request that it belongs to.
        shown: how many images or groups came before.
        cuts: fixed by the first page.
        key: of the last leader shown; bytes as base64.
    """

    query: str
    shown: int
    cuts: BandCuts
    key: tuple[float | int | str, ...]

    def encode(self) -> str:
        """Return the text that clients hand back."""
        return cursors.to_text(self)

    @classmethod
    def decode(cls, text: str, request: SearchRequest) -> Cursor:
        """Return the cursor in `text`.

        Raises:
            BadRequestError: it is none, or belongs to another request.
        """
        try:
            cursor = cursors.from_text(text, cls)
        except ValueError as error:
            raise BadRequestError("`cursor` does not come from a search of this daemon") from error
        if cursor.query != digest(request):
            raise BadRequestError("`cursor` belongs to another search: begin without one")
        if not cursor.is_sound(request.order):
            raise BadRequestError("`cursor` does not come from a search of this daemon")
        return cursor

    def is_sound(self, order: str) -> bool:
        """Return whether it could be from a search in that order: texts can be made up."""
        kinds = [type(part) for part in self.key]
        expected = [type(part) for part in key_of(order, Found(0, 0.0))]
        numbers = (self.cuts.found, self.cuts.weaker, self.cuts.floor, *self.key)
        return (
            kinds == expected
            and 0 <= self.shown <= _MOST_SHOWN
            and not any(isinstance(number, float) and math.isnan(number) for number in numbers)
        )


def digest(request: SearchRequest) -> str:
    """Return what names a request whatever its page."""
    image = request.image and _short(request.image)
    terms = tuple(map(_short, request.terms))
    same = msgspec.structs.replace(
        request, image=image, terms=terms, cursor=None, limit=1, explain=False
    )
    return cursors.digest(same)


def _short(term: Term) -> Term:
    """Return the term with a hash for its picture, which takes long to write as JSON."""
    if term.data is None:
        return term
    # without the interpreter's lock: others go on meanwhile
    return msgspec.structs.replace(term, data=hashlib.blake2b(term.data, digest_size=32).digest())


def key_of(order: str, found: Found) -> Key:
    """Return the place of an image: surer bands first, in an order within each."""
    return (BANDS.index(found.band), *_key_within(order, found), found.id)


def _key_within(order: str, found: Found) -> Key:
    if order == "score":
        return (-(found.score if found.place is None else found.place),)
    if order == "path":
        return (base64.b16encode(found.path).decode(),)
    dated = found.taken_at is not None
    if order == "oldest":
        return (0 if dated else 1, found.taken_at or "")
    newest = "".join(chr(0x7F - ord(c)) for c in found.taken_at or "" if c.isascii())
    # what is less precise comes first in time, so last here
    return (0 if dated else 1, newest + "\x7f")


def group_by_name(found: Iterable[Found], name: Callable[[Found], str]) -> list[Group]:
    """Return the groups in the order of their first images, which lead them."""
    groups: dict[str, list[Found]] = {}
    for image in found:
        groups.setdefault(name(image), []).append(image)
    return [Group(members[0], len(members), name) for name, members in groups.items()]


def group_bursts(found: Sequence[Found], vectors: Float32Array) -> list[Group]:
    """Return groups of images that look alike, each led by its first.

    Args:
        vectors: shape (len(found), dim), unit rows.
    """
    heads = np.empty_like(vectors)  # the leaders' rows, of which the first len(leaders) are filled
    leaders: list[int] = []
    sizes: list[int] = []
    for start in range(0, len(vectors), _BLOCK):
        block, known = vectors[start : start + _BLOCK], len(leaders)
        for i, likeness in enumerate(block @ heads[:known].T, start):
            own = likeness
            if len(leaders) > known:
                own = np.concatenate([likeness, heads[known : len(leaders)] @ vectors[i]])
            nearest = int(own.argmax()) if len(own) else -1
            if nearest >= 0 and own[nearest] >= _BURST_COSINE:
                sizes[nearest] += 1
            else:
                heads[len(leaders)] = vectors[i]
                leaders.append(i)
                sizes.append(1)
    return [
        Group(found[leader], size, str(found[leader].id))
        for leader, size in zip(leaders, sizes, strict=True)
    ]
