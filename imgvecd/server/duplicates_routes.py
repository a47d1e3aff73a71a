"""The routes about duplicates."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from imgvecd import api
from imgvecd.server.requests import json_body
from imgvecd.server.route import SEARCH_ERRORS, Route, Work, answer, long_answer
from imgvecd.server.services import DuplicatesService


class DuplicatesRoutes:
    """The handlers, over one service."""

    def __init__(self, service: DuplicatesService) -> None:
        self._service = service

    def table(self) -> list[Route]:
        """Return every route."""
        post = partial(Route, "POST")
        return [
            post(
                "/v1/duplicates",
                "Group files that are the same picture, or nearly",
                self.find,
                api.Duplicates,
                body=api.DuplicatesRequest,
                errors=SEARCH_ERRORS,
                work=Work.HEAVY,
            ),
            post(
                "/v1/duplicates/check",
                "Find the files that are a given picture",
                self.check,
                api.DuplicateMatches,
                body=api.Term,
                errors=SEARCH_ERRORS,
                members=True,
            ),
            post(
                "/v1/duplicates/plan",
                "Write which duplicates could go to the trash; nothing moves",
                self.plan,
                api.DedupPlan,
                body=api.DuplicatesRequest,
                errors=SEARCH_ERRORS,
                work=Work.HEAVY,
            ),
            post(
                "/v1/duplicates/apply",
                "Move the files of a plan to the trash",
                self.apply,
                api.DedupDone,
                body=api.DedupApplyRequest,
                work=Work.HEAVY,
            ),
            post(
                "/v1/duplicates/undo",
                "Put the files of a plan back",
                self.undo,
                api.DedupDone,
                body=api.DedupUndoRequest,
                work=Work.HEAVY,
            ),
            post(
                "/v1/duplicates/decisions",
                "Decide for good what images are to each other",
                self.decide,
                api.Done,
                body=api.DuplicateDecision,
            ),
        ]

    async def find(self, request: web.Request) -> web.Response:
        """Answer the groups."""
        wanted = await json_body(request, api.DuplicatesRequest)
        return await long_answer(await self._service.find(wanted), "groups", "missing")

    async def check(self, request: web.Request) -> web.Response:
        """Answer the files that are a picture already."""
        return answer(await self._service.check(await json_body(request, api.Term)))

    async def plan(self, request: web.Request) -> web.Response:
        """Write a plan."""
        wanted = await json_body(request, api.DuplicatesRequest)
        return answer(await self._service.plan(wanted))

    async def apply(self, request: web.Request) -> web.Response:
        """Move the files of a plan."""
        wanted = await json_body(request, api.DedupApplyRequest)
        return answer(await self._service.apply(wanted))

    async def undo(self, request: web.Request) -> web.Response:
        """Put them back."""
        wanted = await json_body(request, api.DedupUndoRequest)
        return answer(await self._service.undo(wanted))

    async def decide(self, request: web.Request) -> web.Response:
        """Keep a decision."""
        return answer(await self._service.decide(await json_body(request, api.DuplicateDecision)))
