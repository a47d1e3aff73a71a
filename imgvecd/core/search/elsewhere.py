"""What a search finds in other libraries: the seam to a shared engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from imgvecd.api import Hit, SearchRequest
from imgvecd.types import Float32Array, Int64Array


@dataclass(frozen=True, slots=True)
class Others:
    """What other libraries have for a query.

    Attributes:
        hits: by their ids, best first, each content once; no id is one of this library.
        searched: images that could have been found there.
        also_in: names of other sources that have an image of this library, by its id.
        notes: for a person.
    """

    hits: dict[int, Hit] = field(default_factory=dict)
    searched: int = 0
    also_in: dict[int, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Elsewhere(Protocol):
    """Searches other libraries. For one event loop."""

    @property
    def source(self) -> str:
        """What this library is called among them."""
        ...

    def is_wanted(self, request: SearchRequest) -> bool:
        """Return whether a request is for other libraries, too."""
        ...

    async def find(
        self,
        fingerprint: str,
        request: SearchRequest,
        query: Float32Array,
        k: int,
        allowed: Int64Array | None,
    ) -> Others:
        """Return up to k hits; where the engine does not answer, none, and a note that says why.

        Args:
            request: with what was understood of its text as filters.
            query: shape (dim,), unit.
            allowed: sorted ids of this library that the filters leave; None allows all.

        Raises:
            BadRequestError: a filter makes no sense.
        """
        ...
