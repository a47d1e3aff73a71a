"""Compares pictures that look alike in colour and detail, and keeps the verdict on each pair."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from imgvecd.core.duplicates import detail, local_change, resaving, verdicts
from imgvecd.core.duplicates.compared_images import (
    VERDICTS,
    DuplicateStore,
    Subject,
    Verdict,
    ordered,
)
from imgvecd.core.duplicates.true_size import SAME_SIDE, fineness, is_enlarged_from
from imgvecd.core.threads import HEAVY
from imgvecd.errors import CatalogError, UnreadableImageError
from imgvecd.protocols import Decoder
from imgvecd.types import CopyFacts, ExaminedImage

logger = logging.getLogger(__name__)

VERSION = 15
"""Of the way pictures are examined and compared; what is stored of another is made anew."""

_ON_ITS_SIDE = 5  # EXIF orientations from here on are turned by a quarter
# Grey levels of 32 × 32: of frames saved at 20 they differed by 10, of those reduced to 0.6 by 16.
_SAME_FRAME = 24.0
_MOST_PICTURES = 64  # kept decoded, 0.8 MB each at most


@dataclass(frozen=True, slots=True)
class AlikePair:
    """Two subjects that look alike.

    Attributes:
        turn: of the second, to fit the first, as `perceptual_hash.Likeness.turn`.
    """

    first: Subject
    second: Subject
    turn: int

    @property
    def key(self) -> tuple[int, int]:
        """What its verdict is kept by."""
        return ordered(self.first.id, self.second.id)


def compare(one: ExaminedImage, other: ExaminedImage, turn: int) -> Verdict:
    """Return what the second picture, turned, is to the first."""
    size = one.info.width, one.info.height
    turned_size = other.info.width, other.info.height
    if turn % 2:
        turned_size = turned_size[1], turned_size[0]
    further_differ = _further_differ(one, other, turn)
    if turn == 0 and size == turned_size and not further_differ:
        pixels = one.facts.pixels, other.facts.pixels
        if pixels[0] and pixels[0] == pixels[1]:
            return "same_pixels"
    side = min(one.side, other.side)
    first = detail.planes(detail.shrunk(one.pixels, one.side, side), side)
    turned = detail.turned(detail.shrunk(other.pixels, other.side, side), side, turn)
    second = detail.planes(turned, side)
    found = detail.compare(first, second)
    resized = size != turned_size
    if further_differ:
        return verdicts.changed(found)
    changed = verdicts.beyond_saving(found, resized=resized)
    if changed:
        return changed
    qualities = one.facts.worst_quality, other.facts.worst_quality
    quality = min(qualities)
    # what saving the better one as the worse one was does to it
    better, worse, size_of_worse = first, second, turned_size
    if qualities[0] * size[0] < qualities[1] * turned_size[0]:
        better, worse, size_of_worse = second, first, size
    sideways = turn % 2 != (_lies_on_its_side(one) != _lies_on_its_side(other))
    saved, much_worse = (
        resaving.resaved(better, size_of_worse, each, sideways=sideways)
        for each in (quality, verdicts.poorer(quality))
    )
    return verdicts.verdict(
        found,
        verdicts.Expected(detail.compare(better, saved), detail.compare(better, much_worse)),
        resized=resized,
        enlarged=resized and _is_enlarged(one, other),
        excess=local_change.excess(better, worse, saved, quality, resized=resized),
        jpeg=all(each.facts.lossless or each.info.format == "jpeg" for each in (one, other)),
        lost=() if resized else _lost(one.facts, other.facts),
        rougher=found.second_sharper == (worse is second),
        quality=quality,
    )


def _further_differ(one: ExaminedImage, other: ExaminedImage, turn: int) -> bool:
    """Return whether two files hold other frames, pages or views beside what they show.

    Pages are compared closely only if they were saved without loss. What is behind the picture of
    a JPEG may be missing in a copy: messengers drop it, and it is no part of the picture.
    """
    first, second = one.facts, other.facts
    if first.pictures != second.pictures:
        more = max(one, other, key=lambda each: each.facts.pictures)
        return min(first.pictures, second.pictures) > 1 or more.info.format != "jpeg"
    if first.pictures > 1 and first.lossless and second.lossless and turn == 0:
        return first.pixels != second.pixels
    return any(
        _look_apart(mine, detail.turned(its, detail.LOOK_SIDE, turn)) > _SAME_FRAME
        for mine, its in zip(first.further, second.further, strict=True)
    )


def _look_apart(one: bytes, other: bytes) -> float:
    """Return by how many grey levels the place differs that differs most."""
    first, second = (np.frombuffer(each, np.uint8).astype(np.int16) for each in (one, other))
    return float(np.abs(first - second).max())


def _lies_on_its_side(image: ExaminedImage) -> bool:
    """Return whether a picture is stored turned by a quarter."""
    orientation = image.info.metadata.get("orientation", 1)
    return isinstance(orientation, int) and orientation >= _ON_ITS_SIDE


def _is_enlarged(one: ExaminedImage, other: ExaminedImage) -> bool:
    """Return whether what repeats in the larger picture shows that the smaller was enlarged."""
    small, large = sorted(
        (
            fineness(math.sqrt(each.info.width * each.info.height), each.facts)
            for each in (one, other)
        ),
        key=lambda each: each.side,
    )
    return small.side < SAME_SIDE * large.side and is_enlarged_from(large, small.side)


def _lost(one: CopyFacts, other: CopyFacts) -> Sequence[float]:
    """Return what the picture of weaker fine structure lacks of the other."""
    lost = np.subtract(one.strengths, other.strengths)
    lost *= np.sign(lost[1:3].sum()) if len(lost) else 1
    strengths: list[float] = lost.tolist()
    return strengths


class Comparer:
    """Compares pairs and keeps what it found. For one event loop.

    Args:
        keep: False where the catalog is open for reading only.

    Attributes:
        unread: contents that could not be examined, and why.
    """

    def __init__(self, store: DuplicateStore, decoder: Decoder, *, keep: bool) -> None:
        self._store = store
        self._decoder = decoder
        self._keep = keep
        self._unkept: dict[int, CopyFacts] = {}
        self._examined: OrderedDict[int, ExaminedImage] = OrderedDict()
        self.unread: dict[int, str] = {}

    async def compared(self, pairs: Sequence[AlikePair]) -> dict[tuple[int, int], Verdict]:
        """Return what is known by pair once every one that can be is compared."""
        stored = await HEAVY.run(self._store.verdicts, VERSION, [pair.key for pair in pairs])
        known = {pair: each for pair, each in stored.items() if each in VERDICTS}
        facts: dict[int, CopyFacts] = {}
        found: dict[tuple[int, int], Verdict] = {}
        for pair in pairs:
            if pair.key in known:
                continue
            one, other = await self.examine(pair.first), await self.examine(pair.second)
            if one is None or other is None:
                continue
            facts |= {pair.first.id: one.facts, pair.second.id: other.facts}
            found[pair.key] = await HEAVY.run(compare, one, other, pair.turn)
        if found:
            await self._keep_found(facts, found)
        return known | found

    def facts(self, ids: Collection[int]) -> dict[int, CopyFacts]:
        """Return by content id what examining pictures told, of those that were. Any thread."""
        found = self._store.facts(VERSION, ids)
        return found | {each: self._unkept[each] for each in self._unkept.keys() & set(ids)}

    def forget_pictures(self) -> None:
        """Free the pictures decoded for the next pairs."""
        self._examined.clear()

    async def examine(self, subject: Subject) -> ExaminedImage | None:
        """Return a picture, decoded; None if it cannot be."""
        if subject.id in self._examined:
            self._examined.move_to_end(subject.id)
            return self._examined[subject.id]
        if subject.id in self.unread:
            return None
        at = await HEAVY.run(self._store.a_file_of, subject.id)
        if at is None:
            return None
        path, file = at
        try:
            examined = await self._decoder.examine(path, file.stamp)
        except UnreadableImageError as error:
            logger.debug("%r cannot be compared: %s", path, error)
            self.unread[subject.id] = str(error)
            return None
        self._examined[subject.id] = examined
        while len(self._examined) > _MOST_PICTURES:
            self._examined.popitem(last=False)
        return examined

    async def _keep_found(
        self, facts: dict[int, CopyFacts], found: dict[tuple[int, int], Verdict]
    ) -> None:
        if self._keep:
            try:
                await HEAVY.run(self._store.store_comparisons, VERSION, facts, found)
            except CatalogError as error:  # a full disk is no reason not to compare
                logger.warning("what was compared is not kept: %s", error)
            else:
                return
        self._unkept |= facts
