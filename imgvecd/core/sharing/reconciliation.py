"""Makes what the engine has of a feed equal to the library, whatever it was: by its keys."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from imgvecd.core.sharing.library_feeds import LibraryFeeds
from imgvecd.core.sharing.vector_engine import (
    FACTS,
    FactStep,
    Position,
    VectorEngine,
    VectorStep,
)
from imgvecd.types import Int64Array

logger = logging.getLogger(__name__)

BATCH = 1000
"""Images in a step: a megabyte of vectors."""


def new_position(clock: int) -> Position:
    """Return the position after a step: its mark tells the clock, and is like no other."""
    return Position(clock, f"{clock}.{secrets.token_hex(8)}")


def clock_of(marks: Sequence[str]) -> int:
    """Return the clock that the engine has reached at the least, by the marks of a library."""
    return min((int(mark.partition(".")[0] or 0) for mark in marks), default=0)


def reconcile(
    engine: VectorEngine,
    feeds: LibraryFeeds,
    number: int,
    feed: str,
    held: Position,
    publish: Sequence[str],
    proceed: Callable[[], None],
) -> Position:
    """Write what the engine lacks or has wrong, delete what it should not have.

    Until the last step the position bears marks that nobody knows, so that who is interrupted
    begins again.

    Args:
        number: of this library as a source, which it has joined as.
        held: the position that the engine has now.
        proceed: called before each step; raises to end it.

    Returns: the position at the end, whose mark is noted in the catalog.
    """
    clock = feeds.clock()
    here = feeds.keys(feed)
    unwanted, missing = differences(here, engine.keys(number, feed))
    if feed == FACTS:  # which may differ although the content is the same
        missing, _ = here
    logger.info(
        "%s in the shared engine: %d to delete, %d to write", feed, len(unwanted), len(missing)
    )
    steps = _steps(feeds, feed, unwanted, missing, publish)
    for step in steps:
        proceed()
        until = new_position(0)
        engine.write(feed, held, until, step)
        held = until
    until = new_position(clock)
    feeds.note_marks(feed, [until.mark])
    engine.write(feed, held, until, FactStep(clock, ()))
    return until


def differences(
    here: tuple[Int64Array, list[bytes]], there: Iterable[tuple[Int64Array, list[bytes]]]
) -> tuple[Int64Array, Int64Array]:
    """Return (ids that the engine has and should not, ids that it lacks, or has of other bytes).

    Args:
        here: as `LibraryFeeds.keys` returns.
        there: as `VectorEngine.keys` yields.
    """
    ids, contents = here
    lacking = np.ones(len(ids), bool)
    unwanted: list[int] = []
    for some, digests in there:
        places = np.searchsorted(ids, some)
        for content_id, place, digest in zip(some.tolist(), places.tolist(), digests, strict=True):
            if place < len(ids) and ids[place] == content_id and contents[place] == digest:
                lacking[place] = False
            elif place == len(ids) or ids[place] != content_id:
                unwanted.append(content_id)
    return np.asarray(unwanted, np.int64), ids[lacking]


def _steps(
    feeds: LibraryFeeds,
    feed: str,
    unwanted: Int64Array,
    missing: Int64Array,
    publish: Sequence[str],
) -> Iterator[FactStep | VectorStep]:
    for start in range(0, len(unwanted), BATCH):
        some = unwanted[start : start + BATCH]
        if feed == FACTS:
            yield FactStep(0, (), some.tolist())
        else:
            step = feeds.vectors_of(feed, [])
            yield VectorStep(0, step.ids, [], [], step.vectors, some)
    for start in range(0, len(missing), BATCH):
        some = missing[start : start + BATCH]
        if feed == FACTS:
            yield feeds.facts_of(some.tolist(), publish)
        else:
            yield feeds.vectors_of(feed, some.tolist())
