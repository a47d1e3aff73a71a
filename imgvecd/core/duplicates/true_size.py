"""How large a picture really is: one that was enlarged holds no more than the smaller one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from imgvecd.types import CopyFacts

SAME_SIDE = 0.93
"""Of sides, from which they count as equal: rounding, and cropping of a few pixels."""

# Strength of the structure that only the larger of two pictures can hold, relative to that of the
# next coarser octave: of 252 enlarged ones 97 % had less, photos 0.3 and more in nine of ten. Soft
# photos had 0.07 and more.
_SOFT, _EMPTY = 0.22, 0.05
# Strength, in the larger one, of the finest structure that the smaller one can hold, relative to
# its strength there: enlarging weakens it; of 384 pictures and what they were reduced to, one had
# less than this.
_WEAKENED = 0.95
# Of sides: of what was enlarged by less, too little is missing, and nobody enlarges by more. Of 60
# photos, saved well and at 60, those with a rhythm had 0.28 and more of what only they can hold, so
# they do not look enlarged. Of 90 enlarged ones 80 do.
_CLEARLY_SMALLER = 0.3, 0.78
_FLOOR = 1e-5
_SAME_FREQUENCY = 3.0  # of the steps that a side has: sides are rounded


class TrueSize(NamedTuple):
    """What a picture shows.

    Attributes:
        side: of a square with as many pixels as would do.
        enlarged: it was made from something smaller; False: it may just be soft.
    """

    side: float
    enlarged: bool


class Fineness(NamedTuple):
    """How fine a picture is.

    Attributes:
        side: of a square with as many pixels.
        bands, repeats: as `CopyFacts` has them; nothing where they are not known.
    """

    side: float
    bands: Sequence[float] = ()
    repeats: Sequence[float] = ()


def fineness(side: float, facts: CopyFacts | None) -> Fineness:
    """Return how fine a picture is, by what is known of it."""
    return Fineness(side, facts.bands, facts.repeats) if facts else Fineness(side)


def shown_by(picture: Fineness, copies: Iterable[Fineness]) -> TrueSize:
    """Return what a picture shows, beside other copies of it."""
    side, bands, _ = picture
    smaller = sorted(
        (each for each in copies if 0 < each.side < SAME_SIDE * side), key=lambda each: each.side
    )
    made_from = [each for each in smaller if is_enlarged_from(picture, each.side)]
    if made_from:
        return TrueSize(made_from[-1].side, enlarged=True)
    unseen = _enlarged_from_unseen(picture)
    for other in smaller if bands else ():
        ratio = other.side / side
        beyond = _beyond(bands, ratio)
        if beyond is not None and beyond < _SOFT:
            weakened = bool(other.bands) and _weakened(bands, other.bands, ratio) < _WEAKENED
            return TrueSize(other.side, weakened or beyond < _EMPTY or unseen is not None)
    return TrueSize(side if unseen is None else unseen, enlarged=unseen is not None)


def is_enlarged_from(picture: Fineness, side: float) -> bool:
    """Return whether what repeats in a picture does so as enlarging from `side` makes it."""
    frequency = side / picture.side % 1
    frequency = min(frequency, 1 - frequency)  # as it shows in whole pixels
    return any(abs(each - frequency) <= _SAME_FREQUENCY / picture.side for each in picture.repeats)


def _enlarged_from_unseen(picture: Fineness) -> float | None:
    """Return the side of what a picture was enlarged from, by its rhythm and what it lacks."""
    ratios = sorted({ratio for each in picture.repeats for ratio in (each, 1 - each)})
    least, most = _CLEARLY_SMALLER
    for ratio in ratios if picture.bands else ():
        beyond = _beyond(picture.bands, ratio) if least < ratio < most else None
        if beyond is not None and beyond < _SOFT:
            return ratio * picture.side
    return None


def _beyond(bands: Sequence[float], ratio: float) -> float | None:
    """Return how strong what only the larger one can hold is; None if that is nothing."""
    count = len(bands)
    finer = [each for place, each in enumerate(bands) if place + 0.5 > count * ratio * 1.08]
    coarser = [
        each for place, each in enumerate(bands) if count * ratio / 2 < place + 0.5 < count * ratio
    ]
    if not finer or not coarser:
        return None
    return sum(finer) / len(finer) / max(sum(coarser) / len(coarser), _FLOOR)


def _weakened(bands: Sequence[float], smaller: Sequence[float], ratio: float) -> float:
    """Return how strong the smaller one's finest structure is in the larger one, relative."""
    coarse, fine = [], []
    for place, strength in enumerate(smaller):
        share = (place + 0.5) / len(smaller)
        more = math.log(max(_at(bands, share * ratio * len(bands) - 0.5), _FLOOR))
        more -= math.log(max(strength, _FLOOR))
        if 0.12 < share < 0.4:  # noqa: PLR2004  # both hold it for sure
            coarse.append(more)
        elif 0.6 < share < 0.92:  # noqa: PLR2004  # the last ones are aliases
            fine.append(more)
    return math.exp(sum(fine) / max(len(fine), 1) - sum(coarse) / max(len(coarse), 1))


def _at(bands: Sequence[float], place: float) -> float:
    """Return the strength between two bands."""
    place = min(max(place, 0.0), len(bands) - 1.0)
    low = int(place)
    high = min(low + 1, len(bands) - 1)
    return math.exp(
        math.log(max(bands[low], _FLOOR)) * (low + 1 - place)
        + math.log(max(bands[high], _FLOOR)) * (place - low)
    )
