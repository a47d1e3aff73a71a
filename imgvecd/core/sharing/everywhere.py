"""Searches the other sources of a shared engine: implements `Elsewhere`."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Collection, Sequence

from imgvecd.api import Hit, SearchRequest
from imgvecd.core.search.elsewhere import Others
from imgvecd.core.search.filter_ids import is_among, with_dates
from imgvecd.core.sharing.breaker import Breaker
from imgvecd.core.sharing.library_feeds import LibraryFeeds
from imgvecd.core.sharing.vector_engine import SharedImage, VectorEngine, Where
from imgvecd.core.threads import SHARED
from imgvecd.errors import BadRequestError, EngineError
from imgvecd.terminal_output import printable
from imgvecd.types import Float32Array, Int64Array

MOST = 1000
"""Images of other sources that a search finds at the most."""

_NOBODY = "No {} has such images encoded with the model of this library."
_WITHIN_S = 8.0
_REST_S = 5.0
_COPIES = 2  # asked for at first, for each image that is wanted: of some there are several


class Everywhere:
    """Answers for one library. For one event loop.

    Args:
        number: returns the number of this library; None while nobody knows it.
        source: what this library is called.
        by_default: what holds for requests that do not say.
    """

    def __init__(
        self,
        engine: VectorEngine,
        feeds: LibraryFeeds,
        number: Callable[[], int | None],
        source: str,
        *,
        by_default: bool,
    ) -> None:
        self._engine = engine
        self._feeds = feeds
        self._number = number
        self._by_default = by_default
        self._breaker = Breaker(_REST_S)
        self.source = source

    def is_wanted(self, request: SearchRequest) -> bool:
        """See `Elsewhere.is_wanted`."""
        if request.everywhere is None:
            return self._by_default or bool(request.sources)
        return request.everywhere

    async def find(
        self,
        fingerprint: str,
        request: SearchRequest,
        query: Float32Array,
        k: int,
        allowed: Int64Array | None,
    ) -> Others:
        """See `Elsewhere.find`."""
        if request.group == "near-duplicates":
            return Others(notes=("Groups of near duplicates are of this library only.",))
        filters = with_dates(request.filters, datetime.datetime.now().astimezone().date())
        number = self._number()
        where = Where(filters, number, request.sources)
        try:
            if number is None:
                raise EngineError("the shared engine was not reached yet")  # noqa: TRY301
            async with asyncio.timeout(_WITHIN_S):
                return await SHARED.run(
                    self._breaker.call, self._find, fingerprint, query, min(k, MOST), where, allowed
                )
        except TimeoutError:
            why = f"the shared engine did not answer within {_WITHIN_S:g} s"
            self._breaker.leave_alone(why)
        except (BadRequestError, EngineError) as error:
            why = str(error)
        return Others(notes=(f"Only this library was searched: {why}.",))

    def _find(
        self,
        fingerprint: str,
        query: Float32Array,
        k: int,
        where: Where,
        allowed: Int64Array | None,
    ) -> Others:
        wanted = min(_COPIES * k, MOST)
        while True:
            found = self._engine.search(fingerprint, query, wanted, where)
            here = self._feeds.ids_of(fingerprint, list({image.facts.content for image in found}))
            if allowed is not None:
                here = {content: i for content, i in here.items() if is_among(i, allowed)}
            others = _folded(found, here)
            if len(others.hits) >= k or len(found) < wanted or wanted == MOST:
                break
            wanted = min(2 * wanted, MOST)
        hits = dict(list(others.hits.items())[:k])
        count = self._engine.count(fingerprint, where)
        return Others(hits, count, others.also_in, () if count else self._notes(where.names))

    def _notes(self, names: Collection[str]) -> tuple[str, ...]:
        """Say that no other source has anything; nothing where this one alone is wanted."""
        if not names:
            return (_NOBODY.format("other source"),)
        others = [name for name in names if name != self.source]
        return tuple(_NOBODY.format(f"source called {printable(name)}") for name in others)


def _folded(found: Sequence[SharedImage], here: dict[bytes, int]) -> Others:
    """Return each content once: those of this library as its own, others by their best image."""
    best: dict[bytes, SharedImage] = {}
    sources: dict[bytes, dict[str, None]] = {}
    for image in found:
        content = image.facts.content
        sources.setdefault(content, {})[image.source] = None
        if content not in here:
            best.setdefault(content, image)
    return Others(
        {
            image.key: _hit_of(image, [name for name in sources[content] if name != image.source])
            for content, image in best.items()
        },
        also_in={i: tuple(map(_name, sources[content])) for content, i in here.items()},
    )


def _hit_of(image: SharedImage, also_in: Sequence[str]) -> Hit:
    facts = image.facts
    path = facts.paths[0] if facts.paths else f"#{facts.content_id}"
    source = _name(image.source)
    return Hit(
        id=image.key,
        score=image.score,
        path=f"{source}:{printable(path)}",
        source=source,
        also_in=tuple(map(_name, also_in)),
        format=facts.format,
        width=facts.width,
        height=facts.height,
        taken_at=facts.taken_at,
    )


def _name(source: str) -> str:
    """Return a source's name as it cannot be taken for a path of this machine."""
    return printable(source).replace("/", "_")
