"""Groups around the best copy of a picture: what is one picture with that one belongs to it.

Poor copies are hard to tell from each other, and a small one is what several edits of one picture
are. So each copy is held against the best one, never against a third.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from imgvecd.api import DuplicateKind
from imgvecd.core.duplicates.compared_images import ordered
from imgvecd.core.duplicates.true_size import fineness, shown_by
from imgvecd.types import CopyFacts

_ENLARGED_IS_WORTH = 0.7  # of the copy that it may have been made from


class Link(msgspec.Struct, frozen=True, gc=False):  # of a million the collector need know nothing
    """Two contents, by id, and how they relate."""

    first: int
    second: int
    kind: DuplicateKind
    similarity: float


@dataclass(slots=True)
class CopyGroup:
    """Contents that are one picture with the first of them.

    Attributes:
        unknown: those that may be as well, but were never compared with it.
    """

    ids: list[int]
    unknown: list[int] = field(default_factory=list)


class SamePicture:
    """Which contents are one picture, by links of kinds that say so.

    What has the very same pixels is to a third picture what the other is.
    """

    def __init__(self, links: Iterable[Link]) -> None:
        links = list(links)
        self._twins: dict[int, int] = {}
        for link in links:
            if link.kind == "same_pixels":
                one, other = sorted((self._twin(link.first), self._twin(link.second)))
                self._twins[other] = one
        self._kinds: dict[tuple[int, int], DuplicateKind] = {}
        self.joined: defaultdict[int, list[int]] = defaultdict(list)
        for link in links:
            self.joined[link.first].append(link.second)
            self.joined[link.second].append(link.first)
            self._kinds.setdefault(self._pair(link.first, link.second), link.kind)

    def kind(self, one: int, other: int) -> DuplicateKind | None:
        """Return what joins the two; None if nothing does."""
        if self._twin(one) == self._twin(other):
            return "same_pixels"
        return self._kinds.get(self._pair(one, other))

    def groups(
        self, worth: Mapping[int, float], unlike: Callable[[int, int], bool] = lambda *_: True
    ) -> list[CopyGroup]:
        """Return groups, each content in one of them, of two and more or with something unknown.

        Args:
            worth: how good a copy each is, by id; the lower id where that is equal.
            unlike: whether two that nothing joins are known to be different.
        """
        free = set(self.joined)
        groups = []
        for best in sorted(free, key=lambda each: (-worth.get(each, 0.0), each)):
            if best not in free:
                continue
            group, seen, reached = CopyGroup([best]), {best}, deque([best])
            while reached:
                for other in sorted(self.joined[reached.popleft()]):
                    if other in seen or other not in free:
                        continue
                    seen.add(other)
                    if self.kind(best, other) is not None:
                        group.ids.append(other)
                        reached.append(other)
                    elif not unlike(best, other):
                        group.unknown.append(other)
            free.difference_update(group.ids)
            if len(group.ids) > 1 or group.unknown:
                groups.append(group)
        return groups

    def _pair(self, one: int, other: int) -> tuple[int, int]:
        return ordered(self._twin(one), self._twin(other))

    def _twin(self, identity: int) -> int:
        while self._twins.get(identity, identity) != identity:
            identity = self._twins[identity]
        return identity


def worth_of(
    sides: Mapping[int, float],
    facts: Mapping[int, CopyFacts],
    links: Iterable[Link],
) -> dict[int, float]:
    """Return by id how good a copy each is: its side as far as it shows anything, times quality.

    Args:
        sides: by id, of a square with as many pixels; of those that are wanted, and joined to them.
        links: pairs that are one picture.
    """
    beside: defaultdict[int, set[int]] = defaultdict(set)
    for link in links:
        beside[link.first].add(link.second)
        beside[link.second].add(link.first)
    found = {}
    for identity, others in beside.items():
        known = facts.get(identity)
        if known is None:
            found[identity] = sides[identity]
            continue
        shown = shown_by(
            fineness(sides[identity], known),
            [fineness(sides[each], facts.get(each)) for each in others],
        )
        share = math.sqrt(known.worst_quality / 100)
        found[identity] = shown.side * share * (_ENLARGED_IS_WORTH if shown.enlarged else 1)
    return found
