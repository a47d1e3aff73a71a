"""From filters to the ids that the index may find; remembered while nothing changes."""

from __future__ import annotations

import collections
import datetime
import functools
import os
import threading

import msgspec
import numpy as np

from imgvecd.api import Filters
from imgvecd.core.search import time_ranges
from imgvecd.errors import BadRequestError
from imgvecd.protocols import SearchStore
from imgvecd.types import Int64Array

_REMEMBERED = 16  # filters, for the pages of a few people: 8 MB each in a library of a million


class FilterIds:
    """The ids that filters leave. Thread-safe."""

    def __init__(self, store: SearchStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._remembered: collections.OrderedDict[tuple[bytes, int], Int64Array] = (
            collections.OrderedDict()
        )

    def ids(self, filters: Filters, clock: int) -> Int64Array | None:
        """Return the sorted ids that pass, or None if nothing is filtered.

        Args:
            clock: of the catalog as the caller knows it.

        Raises:
            BadRequestError: a filter makes no sense.
        """
        if filters == Filters():
            return None
        known = self.known(filters, clock)
        if known is not None:
            return known
        resolved, key = _resolved(filters, clock)
        ids = self._passing(resolved)
        with self._lock:
            self._remembered[key] = ids
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return ids

    def known(self, filters: Filters, clock: int) -> Int64Array | None:
        """Return what `ids` does, if that was asked before, else None."""
        _, key = _resolved(filters, clock)
        with self._lock:
            ids = self._remembered.get(key)
            if ids is not None:
                self._remembered.move_to_end(key)
            return ids

    def _passing(self, filters: Filters) -> Int64Array:
        """Return the sorted ids that pass filters and those within, whose dates are resolved."""
        alone = msgspec.structs.replace(filters, any_of=(), none_of=())
        if filters.any_of:
            ids = functools.reduce(np.union1d, map(self._passing, filters.any_of))
            if alone != Filters():
                ids = np.intersect1d(ids, self._store.matching(alone), assume_unique=True)
        else:
            ids = self._store.matching(alone)
        for unwanted in filters.none_of:
            ids = np.setdiff1d(ids, self._passing(unwanted), assume_unique=True)
        return ids


def _resolved(filters: Filters, clock: int) -> tuple[Filters, tuple[bytes, int]]:
    """Return (filters without words for dates, what they are remembered by)."""
    resolved = with_dates(filters, datetime.datetime.now().astimezone().date())
    return resolved, (msgspec.json.encode(resolved, order="sorted"), clock)


def is_among(content_id: int, ids: Int64Array) -> bool:
    """Return whether sorted ids have one."""
    place = int(np.searchsorted(ids, content_id))
    return place < len(ids) and int(ids[place]) == content_id


def with_dates(filters: Filters, today: datetime.date) -> Filters:
    """Return filters whose `taken_from` and `taken_to` say what all three said in words.

    Raises:
        BadRequestError: a time cannot be understood, nothing could ever pass, or whoever asks has
            another idea of a folder.
    """
    if filters.folder is not None and filters.folder.startswith("~"):
        raise BadRequestError(
            f"`folder`: {filters.folder} means another folder for each user: give its full path"
        )
    spans = [time_ranges.span(filters.taken, today)] if filters.taken else []
    first = [span[0] for span in spans]
    end = [span[1] for span in spans]
    if filters.taken_from:
        first.append(time_ranges.span(filters.taken_from, today)[0])
    if filters.taken_to:
        end.append(time_ranges.span(filters.taken_to, today)[1])
    if first and end and max(first) >= min(end):
        raise BadRequestError("`taken`, `taken_from`, `taken_to`: the end is before the beginning")
    return msgspec.structs.replace(
        filters,
        any_of=tuple(with_dates(each, today) for each in filters.any_of),
        none_of=tuple(with_dates(each, today) for each in filters.none_of),
        folder=None if filters.folder is None else os.path.expanduser(filters.folder),
        taken=None,
        taken_from=max(first).isoformat() if first else None,
        taken_to=min(end).isoformat() if end else None,
    )
