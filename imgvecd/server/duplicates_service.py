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

    async def plan(self, request: api.DuplicatesRequest) -> api.DedupPlan:
        """Return which files could go to the trash; without kinds, of what is the same picture."""
        ...

    async def apply(self, request: api.DedupApplyRequest) -> api.DedupDone:
        """Move a plan's files to the trash, each after another look at one that stays."""
        ...

    async def undo(self, request: api.DedupUndoRequest) -> api.DedupDone:
        """Put back what a plan moved."""
        ...

    async def decide(self, decision: api.DuplicateDecision) -> api.Done:
        """Keep a decision about images, for good."""
        ...
