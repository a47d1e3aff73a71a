"""Duplicates, for clients: implements `imgvecd.server.services.DuplicatesService`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from imgvecd import api
from imgvecd.config.schema import DuplicatesConfig, expand
from imgvecd.core.duplicates.dedup_plan import parse
from imgvecd.core.duplicates.dedup_steps import DedupSteps
from imgvecd.core.duplicates.finder import DuplicateFinder
from imgvecd.core.duplicates.removal import Outcome
from imgvecd.core.library.generation import Generation
from imgvecd.core.threads import HEAVY, INTERACTIVE
from imgvecd.errors import BadRequestError
from imgvecd.protocols import EmbeddingSource

_CHECKED_SIMILARITY = 0.95  # as `api.DuplicatesRequest` has it


class DecisionStore(Protocol):
    """Where decisions are kept. Thread-safe."""

    def decide(self, hashes: Sequence[bytes], decision: str) -> None:
        """Record a decision about each pair of the hashes; "undecided" takes it back."""
        ...


class DaemonDuplicates:
    """Answers with the generation that is current. For its event loop.

    Args:
        current: returns the generation, or raises ModelError while there is none.
        decisions: what a person decided.
        steps: from groups to the trash, and back.
        config: what holds where a request does not say otherwise; may be replaced.
    """

    def __init__(
        self,
        current: Callable[[], Awaitable[Generation]],
        finder: DuplicateFinder,
        decisions: DecisionStore,
        embeddings: EmbeddingSource,
        config: DuplicatesConfig,
        steps: DedupSteps,
    ) -> None:
        self._current = current
        self._finder = finder
        self._decisions = decisions
        self._embeddings = embeddings
        self.config = config
        self._steps = steps
        self._moving = asyncio.Lock()
        self._preparing: asyncio.Task[None] | None = None

    async def find(self, request: api.DuplicatesRequest) -> api.Duplicates:
        """Return the groups; the first time every picture is looked at, which takes long."""
        generation = await self._current()
        await self._prepared()
        return await self._finder.find(self._completed(request), generation.model, generation.index)

    async def plan(self, request: api.DuplicatesRequest) -> api.DedupPlan:
        """Return which files could go to the trash; without kinds, of what is the same picture."""
        found = await self.find(
            msgspec.structs.replace(request, kinds=request.kinds or api.SURE_KINDS)
        )
        name, text = await HEAVY.run(self._steps.plan, found)
        planned = parse(text, name)
        going = {file.path for files in planned.groups.values() for file in files if not file.keep}
        sizes = {
            api.Path(file.path, file.path_base64).raw(): file.size_bytes
            for group in found.groups
            for file in group.files
        }
        size_bytes = sum(sizes[path] for path in going)
        return api.DedupPlan(name=name, files=len(going), size_bytes=size_bytes, text=text)

    async def apply(self, request: api.DedupApplyRequest) -> api.DedupDone:
        """Move a plan's files to the trash, each after another look at one that stays.

        Raises:
            BadRequestError: it is no plan, or not of what was planned; nothing was moved.
        """
        protected = [expand(folder) for folder in self.config.protect]
        async with self._moving:
            name, done = await HEAVY.run(
                self._steps.apply, request.plan, "plan", protected, lambda _: None
            )
        return _answer(name, done)

    async def undo(self, request: api.DedupUndoRequest) -> api.DedupDone:
        """Put back what a plan moved.

        Raises:
            BadRequestError: there is nothing to undo, or its journal is damaged.
        """
        async with self._moving:
            name, done = await HEAVY.run(self._steps.undo, request.name, lambda _: None)
        return _answer(name, done)

    async def check(self, image: api.Term) -> api.DuplicateMatches:
        """Return the files that are the given picture already.

        Raises:
            BadRequestError: the term is no picture's bytes.
            UnreadableImageError: they cannot be decoded.
        """
        if image.data is None:
            raise BadRequestError("Expected `data`, the bytes of an image file")
        searcher = (await self._current()).searcher
        return await self._finder.check(image.data, searcher.search, _CHECKED_SIMILARITY)

    async def decide(self, decision: api.DuplicateDecision) -> api.Done:
        """Record a decision about images permanently.

        Raises:
            BadRequestError: a hash is none.
        """
        try:
            hashes = [bytes.fromhex(name) for name in decision.hashes]
        except ValueError:
            raise BadRequestError("`hashes` are hexadecimal, as images have them") from None
        await INTERACTIVE.run(self._decisions.decide, hashes, decision.decision)
        clock = await INTERACTIVE.run(self._embeddings.clock)
        instance = await INTERACTIVE.run(self._embeddings.instance)
        return api.Done(done="decide", clock=api.clock_text(instance, clock))

    def _completed(self, request: api.DuplicatesRequest) -> api.DuplicatesRequest:
        """Return the request with what the configuration says of the file to keep."""
        config = self.config
        prefer = request.prefer or map(expand, config.prefer)
        protect = (*request.protect, *map(expand, config.protect))
        return msgspec.structs.replace(
            request,
            rules=config.rules if request.rules is None else request.rules,
            prefer=tuple(prefer),
            protect=tuple(dict.fromkeys(protect)),
        )

    async def _prepared(self) -> None:
        """Wait until every picture was looked at; that goes on if the client leaves."""
        if self._preparing is None or self._preparing.done():
            self._preparing = asyncio.create_task(self._finder.prepare())
        await asyncio.shield(self._preparing)


def _answer(name: str, done: Outcome) -> api.DedupDone:
    left = []
    for path, why in done.refused:
        shown = api.Path.of(path)
        left.append(api.FileLeft(path=shown.path, path_base64=shown.path_base64, why=why))
    return api.DedupDone(
        name=name,
        files=len(done.moved),
        size_bytes=done.moved_bytes,
        gone=done.gone,
        left=tuple(left),
    )
