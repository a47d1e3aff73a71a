"""From how two pictures differ to what one is to the other: saved anew, or changed by somebody.

Each measure is held against what saving the better picture at the quality of the worse one does to
it (`resaving`), and against the same at a much lower quality, which stands for other codecs and for
pictures that were saved several times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from imgvecd.core.duplicates.detail import Detail
from imgvecd.core.duplicates.local_change import Excess
from imgvecd.core.duplicates.resaving import colour_rounding

Verdict = Literal["same", "edited", "other"]

POORER = 30
"""Of libjpeg's quality, by which the much lower one is lower."""

_POOREST = 10
# Limits: grey levels that are always allowed, and how many more for each that saving explains and
# for each level of noise. `python -m benchmarks.duplicates.pairs` prints how near pairs come.
_LIMITS = {
    "tone": (0.25, 1.5, 0.06),
    "colour": (0.4, 2.0, 0.08),
    "luma_small": (4.0, 2.0, 0.5),
    "luma": (1.7, 2.0, 0.35),
    "colour_block": (3.0, 2.0, 0.4),
}
_RESIZED_LIMITS = {
    "tone": (0.3, 1.5, 0.07),
    "colour": (0.45, 2.0, 0.12),
    "luma_small": (5.0, 2.0, 0.65),
    "luma": (2.2, 2.0, 0.6),
    "colour_block": (3.0, 2.0, 0.6),
}
# What saving at a quality of 5 explains at the most, by measure, and some more.
_MOST_EXPLAINED = {"tone": 3, "colour": 4, "luma_small": 10, "luma": 7, "colour_block": 11}
# Of the noise at the much lower quality: copies had 1.36 times as much at the most, sharpened
# pictures 1.4 and more in nine of ten, film grain even more.
_MOST_NOISE = 1.55
# WebP, AVIF and HEIF turn colours into luma and differences by matrices and ranges of their own.
_OTHER_CODEC = {"tone": 0.15, "colour": 0.35}
# On pages of text, charts and screenshots the median block has no noise, and one digit is a change.
# Of 3,000 photos those of a clear sky had 0.34 at the most, others 0.46 and more only where all
# around is black or white; pages 0.38 and more, but for those that are photos as much as pages.
_PAGE_FLAT = 0.38
_ALL_FLAT = 0.9  # a page even if nothing on it has strong edges, as stars in the night
# Of thin lines in strong colours, saving moves blocks by up to 1.9 times what it explains.
_PAGE_LIMITS = {
    "tone": (1.2, 1.0, 0.0),
    # sprites, of which each dot has a colour of its own, had 1.55; paper tinted by 2 % 3.4
    "colour": (1.6, 1.0, 0.0),
    "luma_small": (6.0, 1.0, 0.0),
    "luma": (3.6, 1.0, 0.0),
    # white letters on blue, saved with colour at half the resolution, had 4.4 at 98, 5.6 at 60
    "colour_block": (6.5, 1.0, 0.0),
}
# Standard errors by which colours move together that are always allowed, and how many more for each
# that saving explains; and grey levels by which they move more than that explains.
_SURELY = (2.4, 1.2)
_RECOLOURED = 0.25
# Of the levels by which colours are rounded, beyond what saving at 75 does: at 29, where a whole
# sky is one step, a copy had half a level more than saving explains; a faint edit at 79 had 0.3.
_ROUNDED, _WHOLE_LEVEL = 0.3, 1.1
# Grey levels by which the worst place may differ, and how many times as much as at the much lower
# quality: of 300 copies of the same size none had more than that itself, of 72 resized ones none 6
# more than that.
_SPOT, _SPOT_RESIZED = (3.0, 1.35), (6.5, 1.35)
# On pages, where text stands out against nothing: what is always allowed, how many times as much as
# saving explains, and the most. Copies of 8 kinds of page at 40 and more had 8.8 at the most and
# twice what saving explains. One digit of a page of A4 at 75 to 300 dots an inch had 20 and more, a
# comma 20; both less if printed in grey: a digit of a calendar 12. At half the size letters were
# resized otherwise by 12 as well, where nobody can tell them from others: then they are not.
_PAGE_SPOT, _MOST_PAGE_SPOT, _PAGE_SPOT_RESIZED = (1.5, 2.0), 12.0, 6.0
# Of copies of the same size, 240 had 18 at the most, all but a few 12; saved at 85, 70 and 60, 32.
_LEVEL = 34.0
# Energies of the place that differs most, in multiples of what saving explains. Of 2,188 JPEGs of
# 108 photos, of the same size, one had more than 5.1 and 5.6; of those saved by another codec 6.4
# and 4.9; harsh ones at 40 and 60 had 6.8 of luma. Of 26 edits of a part that nothing else tells,
# 25 had 9.2 and more of luma, the other 7.2 of colour. Of 660 resized ones of 56 photos three had
# more than 9.1, 5.0, 10 and, in larger places, 6.4: screenshots. Of 460 of the same size none had
# more than 2.7 there, but for those by way of another codec at 92: 4.2.
# Strokes: of 672 copies of 28 photos, of the same size, none had more than 15.7, but for WebP at
# 20: 32; resized ones 17, and one of 28. Of 172 edits of a part, but for other colours, one had 19,
# all others 42 and more; a mark of 114 pixels 26; smoothed and then resized, it is often missed.
_EXCESS = Excess(7.5, 6.5, _LEVEL, 3.2, 22.0)
_EXCESS_OTHER_CODEC = Excess(8.5, 8.0, _LEVEL, 5.0, 36.0)
_EXCESS_RESIZED = Excess(11.5, 7.0, 11.0, 6.5, 24.0)
# On pages, of the same size: copies of 40 kinds at 50 and more had 29, 95, 28, 16 and 115 at the
# most, thin lines in colour; without them 10, 23, 18, 6 and 45. Pages that differ in a word had
# strokes of 680 and more; one digit of a page of A4 had 120 at 50, and a spot of 28.
_EXCESS_PAGE = Excess(50.0, math.inf, 60.0, 30.0, 150.0)
# What was once saved by another codec, and then well, differs more than the latter explains.
_WELL_SAVED, _WIDE_WELL_SAVED = 85, 5.0
# Both luma and strokes: copies had 55 at the most, those of other codecs 122; of the edits none had
# less than 300.
_TOGETHER, _TOGETHER_OTHER = 100.0, 200.0
# Where so many blocks are the same to the last bit, it was saved without loss or at the quality it
# had: of 185 photos saved again as they were none had more than 1.5, 1.2 and 2.3.
_UNTOUCHED, _EXCESS_UNTOUCHED = 0.5, Excess(3.0, 2.5, 5.0, 3.0, 10.0)
# Shares that are left of the edges, and of these and of the fine structure together, below which it
# is blurred. Where there is no more noise than expected, nothing else explains that edges are gone.
_BLURRED_QUIET, _BLURRED = 0.78, 1.2
_BLURRED_RESIZED = (0.36, 0.18)  # edges and fine themselves: enlarging and shrinking blurs, too
_BLURRED_ENLARGED = (0.24, 0.12)  # enlarged by 1.3, bilinearly, photos kept 0.28 and 0.15
_QUIET = 1.15
# Each time that a JPEG is saved, weak structure may be rounded up to a whole step of that quality:
# saved at 85, 70 and then 60, all from a fifth of a step is a whole one in the end. Of 13 photos of
# 640 pixels eleven had stronger edges then, up to four times the fine energy, and 0.49 of the edges
# were those of the original at the least: that is no blur. Of 59 that were blurred by 1, none had
# more than 0.39.
_ROUGHENS, _ROUGH_EDGES = 80, 0.45
_SMOOTH = 3.0  # grey levels: of edges, below which they are noise, and there is nothing to blur
# Edges of which the strongest are so few times the median are grain, which saving at less than that
# quality takes away: 3.4 times is what chance makes, photos had 4.6 and more.
_GRAIN, _MOST_GRAIN, _KEEPS_GRAIN = 6.0, 4.3, 70
_SHARPENED, _SHARPENED_RESIZED = 1.33, 1.95
_SHARPENED_ENLARGED = 2.5  # of what was enlarged, which is softer: 2.11 at the most
# Places among strengths. Of 48 photos smoothed by a median of 3 × 3 pixels none lost less than 0.08
# and 0.29 there; of 108 saved at 20 and more none lost more than 0.034 of the former, of those by
# way of WebP at 50 and more 0.087.
_FINE, _FINER = 1, 2
_BLURRED_FINE, _BLURRED_FINER = 0.06, 0.25
_CLEAR_FINE = 0.03
_LEAST_QUALITY = 18
_OTHERS_LOSE = 50  # quality by which other codecs lose more
_SAME_PICTURE = 0.6  # least share of blocks alike of an edit
_AS_ALIKE = 0.85  # of what saving leaves
_SAME_AT_ALL = 0.4  # of whatever may be a copy: saved at 10, structure goes


@dataclass(frozen=True, slots=True)
class Expected:
    """What an honest copy differs by: at the quality that it tells, and at a much lower one."""

    usual: Detail
    poor: Detail


def poorer(quality: int) -> int:
    """Return the much lower quality."""
    return max(quality - POORER, min(quality, _POOREST))


def beyond_saving(found: Detail, *, resized: bool) -> Verdict | None:
    """Return what two pictures are that no saving explains; None: `verdict` has to tell."""
    limits = _limits(found, resized=resized)
    explicable = found.alike >= _SAME_AT_ALL and all(
        getattr(found, name) <= base + explained * _MOST_EXPLAINED[name] + more * found.noise
        for name, (base, explained, more) in limits.items()
    )
    return None if explicable else changed(found)


def verdict(
    found: Detail,
    expected: Expected,
    *,
    resized: bool,
    enlarged: bool,
    jpeg: bool,
    excess: Excess,
    lost: Sequence[float] = (),
    rougher: bool = False,
    quality: int = 100,
) -> Verdict:
    """Return what the second picture is to the first.

    Args:
        resized: the two are of different size.
        enlarged: it shows that the larger one was made from the smaller one.
        jpeg: neither was saved by another codec that loses something.
        excess: of the place that differs most, beside what saving explains.
        lost: of `CopyFacts.strengths`, what the weaker one lacks; nothing if that says nothing.
        rougher: the poorer one has the stronger edges.
        quality: of the poorer one.
    """
    if not _within(found, expected, resized=resized, jpeg=jpeg):
        return changed(found)
    if _is_recoloured(found, expected, quality, jpeg=jpeg) or _has_spot(
        found, expected, resized=resized
    ):
        return changed(found)
    if _has_changed_place(found, excess, quality, resized=resized, jpeg=jpeg):
        return changed(found)
    quality -= 0 if jpeg else _OTHERS_LOSE
    grain = found.strength < min(_GRAIN, _MOST_GRAIN * found.grain)
    if found.strength < _SMOOTH or (grain and quality < _KEEPS_GRAIN):
        return "same"
    told = _blur_told(lost, quality)
    if told:
        return changed(found)
    roughened = rougher and jpeg and quality < _ROUGHENS and found.edges > _ROUGH_EDGES
    unsure = told is None and not roughened
    blurred = unsure and _is_blurred(found, expected, resized=resized, enlarged=enlarged)
    sharpened = found.sharpened > _most_sharpened(expected, resized=resized, enlarged=enlarged)
    return changed(found) if blurred or (sharpened and not grain) else "same"


def _is_recoloured(found: Detail, expected: Expected, quality: int, *, jpeg: bool) -> bool:
    """Return whether all colours moved together, more than saving explains, however little."""
    least = _RECOLOURED + expected.usual.colour + (0 if jpeg else _OTHER_CODEC["colour"])
    least += _ROUNDED * max(0.0, colour_rounding(quality) - _WHOLE_LEVEL)
    base, explained = _SURELY
    page = _is_page(found)
    return (
        not page and found.colour > least and found.shift > base + explained * expected.usual.shift
    )


def _has_spot(found: Detail, expected: Expected, *, resized: bool) -> bool:
    """Return whether one small place changed more than any does by saving: a digit, an eye."""
    if _is_page(found):
        base, explained = _PAGE_SPOT
        usual = max(base + explained * expected.usual.spot, expected.poor.spot)
        return found.spot > (_PAGE_SPOT_RESIZED if resized else min(_MOST_PAGE_SPOT, usual))
    base, explained = _SPOT_RESIZED if resized else _SPOT
    return found.spot > base + explained * expected.poor.spot


def _has_changed_place(
    found: Detail, excess: Excess, quality: int, *, resized: bool, jpeg: bool
) -> bool:
    """Return whether a part was smoothed, made coarse, healed or filled, however faintly."""
    if _is_page(found):
        return not resized and excess.is_beyond(_EXCESS_PAGE)
    limits = _EXCESS if jpeg else _EXCESS_OTHER_CODEC
    together = _TOGETHER if jpeg and not resized else _TOGETHER_OTHER
    if resized:
        limits = _EXCESS_RESIZED
    elif found.untouched > _UNTOUCHED:
        limits = _EXCESS_UNTOUCHED
    if quality > _WELL_SAVED:
        limits = limits._replace(wide=max(limits.wide, _WIDE_WELL_SAVED))
    return excess.is_beyond(limits) or excess.together > together


def _blur_told(lost: Sequence[float], quality: int) -> bool | None:
    """Return whether a picture was blurred, by the fine structure that it lost; None: unknown."""
    if len(lost) <= _FINER:
        return None
    if lost[_FINE] < _CLEAR_FINE:
        return False
    much = lost[_FINE] > _BLURRED_FINE and lost[_FINER] > _BLURRED_FINER
    return True if much and quality >= _LEAST_QUALITY else None


def changed(found: Detail) -> Verdict:
    """Return what two pictures are that are not the same."""
    # pages of one form agree in most blocks, and differ in what matters
    page = _is_page(found)
    return "other" if page or found.alike < _SAME_PICTURE else "edited"


def _within(found: Detail, expected: Expected, *, resized: bool, jpeg: bool) -> bool:
    page = _is_page(found)
    if found.alike < min(_SAME_PICTURE, _AS_ALIKE * expected.usual.alike):
        return False
    if not resized and not page and found.noise > _MOST_NOISE * (expected.poor.noise + 0.3):
        return False
    return all(
        getattr(found, name)
        <= base
        + (0 if jpeg else _OTHER_CODEC.get(name, 0))
        + explained * getattr(expected.usual, name)
        + more * found.noise
        for name, (base, explained, more) in _limits(found, resized=resized).items()
    )


def _is_page(found: Detail) -> bool:
    """Return whether something stands out against nothing; haze, snow and night are no pages."""
    return found.flat >= (_PAGE_FLAT if found.strength >= _SMOOTH else _ALL_FLAT)


def _limits(found: Detail, *, resized: bool) -> Mapping[str, tuple[float, float, float]]:
    if _is_page(found):
        return _PAGE_LIMITS
    return _RESIZED_LIMITS if resized else _LIMITS


def _most_sharpened(expected: Expected, *, resized: bool, enlarged: bool) -> float:
    if enlarged:  # it is the other one that got softer
        return _SHARPENED_ENLARGED
    return _SHARPENED_RESIZED if resized else max(_SHARPENED, 1.15 * expected.usual.sharpened)


def _is_blurred(found: Detail, expected: Expected, *, resized: bool, enlarged: bool) -> bool:
    if resized:
        edges, fine = _BLURRED_ENLARGED if enlarged else _BLURRED_RESIZED
        return found.edges < edges and found.fine < fine
    if found.noise <= _QUIET * expected.usual.noise:
        return found.edges < _BLURRED_QUIET * expected.usual.edges
    edges, fine = (max(each, 0.01) for each in (expected.poor.edges, expected.poor.fine))
    return found.edges / edges + found.fine / fine < _BLURRED
