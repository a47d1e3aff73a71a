"""Compares pictures that look alike in colour and detail, each pair once for good."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from imgvecd.core.duplicates import detail, resaving, verdicts
from imgvecd.core.duplicates.compared_images import DuplicateStore, Subject
from imgvecd.core.threads import HEAVY
from imgvecd.errors import CatalogError, UnreadableImageError
from imgvecd.protocols import Decoder
from imgvecd.types import CopyFacts, ExaminedImage

logger = logging.getLogger(__name__)

VERSION = 3
"""Of the way pictures are examined and compared; what is stored of another is made anew."""

Verdict = Literal["same_pixels", "same", "edited", "other"]
"""Of two pictures in the orientation that fits best."""

_VERDICTS: frozenset[str] = frozenset(get_args(Verdict))
_MOST_PICTURES = 64  # kept decoded, 0.8 MB each at most
_BATCH = 64  # pairs per transaction


@dataclass(frozen=True, slots=True)
class AlikePair:
    """Two subjects that look alike.

    Attributes:
        turn: of the second, to fit the first, as `perceptual_hash.Likeness.turn`.
    """

    first: Subject
    second: Subject
    turn: int


@dataclass(slots=True)
class Comparisons:
    """What is known: by content id, and by pair of content ids, the lower first.

    Attributes:
        unread: contents that could not be examined, and why.
    """

    facts: dict[int, CopyFacts] = field(default_factory=dict)
    verdicts: dict[tuple[int, int], str] = field(default_factory=dict)
    unread: dict[int, str] = field(default_factory=dict)

    def verdict(self, one: Subject, other: Subject) -> Verdict | None:
        """Return what comparing the two told; None if they were not compared."""
        told = self.verdicts.get(key(one, other))
        return told if told in _VERDICTS else None  # type: ignore[return-value]  # narrowed here


def key(one: Subject, other: Subject) -> tuple[int, int]:
    """Return what the pair's verdict is kept by."""
    return min(one.id, other.id), max(one.id, other.id)


def compare(one: ExaminedImage, other: ExaminedImage, turn: int) -> Verdict:
    """Return what the second picture, turned, is to the first."""
    size = one.info.width, one.info.height
    turned_size = other.info.width, other.info.height
    if turn % 2:
        turned_size = turned_size[1], turned_size[0]
    same_size = turn == 0 and size == turned_size
    if same_size and one.facts.pixels and one.facts.pixels == other.facts.pixels:
        return "same_pixels"
    side = min(one.side, other.side)
    first = detail.planes(detail.shrunk(one.pixels, one.side, side), side)
    turned = detail.turned(detail.shrunk(other.pixels, other.side, side), side, turn)
    second = detail.planes(turned, side)
    found = detail.compare(first, second)
    resized = size != turned_size
    changed = verdicts.beyond_saving(found, resized=resized)
    if changed:
        return changed
    quality = min(_quality(one), _quality(other))
    # what saving the better one as the worse one was does to it
    better, size_of_worse = first, turned_size
    if _quality(one) * size[0] < _quality(other) * turned_size[0]:
        better, size_of_worse = second, size
    usual, poor = (
        detail.compare(better, resaving.resaved(better, size_of_worse, each))
        for each in (quality, verdicts.poorer(quality))
    )
    return verdicts.verdict(
        found,
        verdicts.Expected(usual, poor),
        resized=resized,
        jpeg=all(each.facts.lossless or each.info.format == "jpeg" for each in (one, other)),
    )


def _quality(image: ExaminedImage) -> int:
    return min(image.facts.quality, image.facts.remembered)


class Comparer:
    """Compares pairs and keeps what it found. For one event loop.

    Args:
        keep: False where the catalog is open for reading only.
    """

    def __init__(self, store: DuplicateStore, decoder: Decoder, *, keep: bool) -> None:
        self._store = store
        self._decoder = decoder
        self._keep = keep
        self._known: Comparisons | None = None
        self._examined: OrderedDict[int, ExaminedImage] = OrderedDict()

    async def compared(self, pairs: Sequence[AlikePair]) -> Comparisons:
        """Return what is known once every pair that can be is compared.

        May be cancelled: what was found stays.
        """
        known = await self.known()
        waiting = [
            pair
            for pair in sorted(pairs, key=lambda pair: key(pair.first, pair.second))
            if key(pair.first, pair.second) not in known.verdicts
            and not known.unread.keys() & {pair.first.id, pair.second.id}
        ]
        for start in range(0, len(waiting), _BATCH):
            await self._batch(waiting[start : start + _BATCH], known)
        self._examined.clear()
        return known

    async def known(self) -> Comparisons:
        """Return what was found so far."""
        if self._known is None:
            facts = await HEAVY.run(self._store.facts, VERSION)
            self._known = Comparisons(facts, await HEAVY.run(self._store.verdicts, VERSION))
        return self._known

    async def examine(self, subject: Subject) -> ExaminedImage | None:
        """Return a picture, decoded; None if it cannot be."""
        if subject.id in self._examined:
            self._examined.move_to_end(subject.id)
            return self._examined[subject.id]
        known = await self.known()
        at = await HEAVY.run(self._store.a_file_of, subject.id)
        if at is None:
            return None
        path, file = at
        try:
            examined = await self._decoder.examine(path, file.stamp)
        except UnreadableImageError as error:
            logger.debug("%r cannot be compared: %s", path, error)
            known.unread[subject.id] = str(error)
            return None
        self._examined[subject.id] = examined
        while len(self._examined) > _MOST_PICTURES:
            self._examined.popitem(last=False)
        return examined

    async def _batch(self, pairs: Iterable[AlikePair], known: Comparisons) -> None:
        facts: dict[int, CopyFacts] = {}
        verdicts: dict[tuple[int, int], str] = {}
        for pair in pairs:
            one, other = await self.examine(pair.first), await self.examine(pair.second)
            if one is None or other is None:
                continue
            facts |= {pair.first.id: one.facts, pair.second.id: other.facts}
            verdict = await HEAVY.run(compare, one, other, pair.turn)
            verdicts[key(pair.first, pair.second)] = verdict
        known.facts |= facts
        known.verdicts |= verdicts
        if self._keep:
            try:
                await HEAVY.run(self._store.store_comparisons, VERSION, facts, verdicts)
            except CatalogError as error:  # a full disk is no reason not to compare
                logger.warning("what was compared is not kept: %s", error)
