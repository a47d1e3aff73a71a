"""Compares what looks alike, and each picture of what may be a group with the best copy in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from imgvecd.core.duplicates.best_copies import Link, SamePicture, worth_of
from imgvecd.core.duplicates.compared_images import VERDICTS, DuplicateStore, Verdict, ordered
from imgvecd.core.duplicates.comparing import AlikePair, Comparer
from imgvecd.core.duplicates.known_pairs import UNKNOWN, KnownPairs
from imgvecd.core.duplicates.pair_search import PairSearch
from imgvecd.core.duplicates.picture_hasher import PictureHasher
from imgvecd.core.threads import HEAVY
from imgvecd.types import Int64Array, ModelInfo

_BATCH = 64  # pairs per transaction


class PairSettler:
    """Makes of pairs that look alike what they are. For one event loop."""

    def __init__(
        self, store: DuplicateStore, hasher: PictureHasher, search: PairSearch, comparer: Comparer
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._search = search
        self._comparer = comparer

    async def settle(self, known: KnownPairs, model: ModelInfo) -> None:
        """Compare whatever was not, as far as its files can be read.

        May be cancelled: what was compared stays.
        """
        while True:
            await self._compare(known)
            if known.settled:
                return
            more = await HEAVY.run(self._unknown_pairs, known)
            if not more:
                known.settled = known.changed = True
                return
            known.add_alike(await HEAVY.run(self._search.held_against, more, model))

    async def _compare(self, known: KnownPairs) -> None:
        rows = await HEAVY.run(self._waiting, known)
        for start in range(0, len(rows), _BATCH):
            some = rows[start : start + _BATCH]
            pairs = known.alike[some]
            ids = {*pairs["first"].tolist(), *pairs["second"].tolist()}
            subjects = await HEAVY.run(self._hasher.subjects_of, ids)
            verdicts = await self._comparer.compared(
                [
                    AlikePair(subjects[one], subjects[other], turn)
                    for one, other, turn in zip(
                        pairs["first"].tolist(), pairs["second"].tolist(), pairs["turn"].tolist(),
                        strict=True,
                    )
                    if one in subjects and other in subjects
                ]
            )  # fmt: skip
            self._note(known, some, verdicts)
        self._comparer.forget_pictures()

    def _waiting(self, known: KnownPairs) -> Int64Array:
        """Return the rows of pairs that can be compared and were not, by the pictures in them."""
        alike = known.alike
        rows = np.flatnonzero((alike["verdict"] == UNKNOWN) & (alike["turn"] >= 0))
        if not len(rows):
            return rows
        ends = alike["first"][rows], alike["second"][rows]
        ids = np.unique(np.concatenate(ends)).tolist()
        readable = sorted(self._store.readable(ids) - self._comparer.unread.keys())
        rows = rows[np.isin(ends[0], readable) & np.isin(ends[1], readable)]
        return rows[np.lexsort((alike["second"][rows], alike["first"][rows]))]

    def _note(
        self, known: KnownPairs, rows: Int64Array, verdicts: Mapping[tuple[int, int], Verdict]
    ) -> None:
        for row in rows.tolist():
            one, other = known.alike[row]["first"], known.alike[row]["second"]
            verdict = verdicts.get(ordered(one, other))
            if verdict is not None:
                known.alike["verdict"][row] = VERDICTS.index(verdict)
                known.settled, known.changed = False, True
                for each in (int(one), int(other)):
                    known.worth.pop(each, None)

    def _unknown_pairs(self, known: KnownPairs) -> list[tuple[int, int]]:
        """Return pairs of best copies and what may be one picture with them."""
        links = known.sure_links()
        self._weigh(known, links)
        asked = set(zip(known.alike["first"].tolist(), known.alike["second"].tolist(), strict=True))
        groups = SamePicture(links).groups(
            known.worth, lambda one, other: (one, other) in asked or (other, one) in asked
        )
        return [(group.ids[0], other) for group in groups for other in group.unknown]

    def _weigh(self, known: KnownPairs, links: Collection[Link]) -> None:
        """Make the worth of copies known that is not: that of others is not looked at again."""
        joined = {each for link in links for each in (link.first, link.second)}
        lacking = joined - known.worth.keys()
        beside = [link for link in links if link.first in lacking or link.second in lacking]
        # how large a copy really is depends on those beside it
        lacking |= {each for link in beside for each in (link.first, link.second)}
        beside = [link for link in links if link.first in lacking or link.second in lacking]
        ids = sorted({each for link in beside for each in (link.first, link.second)})
        rows = known.rows(np.asarray(ids, np.int64))
        sides = dict(zip(ids, known.subjects["side"][rows].tolist(), strict=True))
        worth = worth_of(sides, self._comparer.facts(ids), beside)
        known.worth.update({each: worth[each] for each in lacking})
