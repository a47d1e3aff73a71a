"""How large a picture really is: one that was enlarged holds no more than the smaller one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

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
_FLOOR = 1e-5


class TrueSize(NamedTuple):
    """What a picture shows.

    Attributes:
        side: of a square with as many pixels as would do.
        enlarged: it was made from something smaller; False: it may just be soft.
    """

    side: float
    enlarged: bool


def shown_by(
    bands: Sequence[float], side: float, others: Iterable[tuple[float, Sequence[float]]]
) -> TrueSize:
    """Return what a picture shows.

    Args:
        bands: of the picture, as `CopyFacts.bands`; nothing if they are not known.
        side: of a square with as many pixels as the picture.
        others: the same two, the other way round, of other copies of it.
    """
    for other, its_bands in sorted(others) if bands else ():
        if not 0 < other < SAME_SIDE * side:
            continue
        ratio = other / side
        beyond = _beyond(bands, ratio)
        if beyond is not None and beyond < _SOFT:
            weakened = bool(its_bands) and _weakened(bands, its_bands, ratio) < _WEAKENED
            return TrueSize(other, weakened or beyond < _EMPTY)
    return TrueSize(side, enlarged=False)


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
