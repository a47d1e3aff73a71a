"""The seam for duplicates."""

from __future__ import annotations

from typing import Protocol

from imgvecd import api


class DuplicatesService(Protocol):
    """What a daemon does about duplicates; see `server.service.Service`."""

    async def find(self, request: api.DuplicatesRequest) -> api.Duplicates:
        """Return the groups; the first time every picture is looked at, which takes long."""
        ...

    async def check(self, image: api.Term) -> api.DuplicateMatches:
        """Return the files that are the given picture already."""
        ...

    async def decide(self, decision: api.DuplicateDecision) -> api.Done:
        """Keep a decision about images, for good."""
        ...
