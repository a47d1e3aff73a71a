"""The route of events: what the daemon does, as it happens."""

from __future__ import annotations

import msgspec
from aiohttp import web

from imgvecd import api
from imgvecd.server.route import EVENTS, Route, Work
from imgvecd.server.services import EventService
from imgvecd.server.streaming import Streams


class EventRoutes:
    """The handlers, over one service."""

    def __init__(self, service: EventService, streams: Streams) -> None:
        self._service = service
        self._streams = streams

    def table(self) -> list[Route]:
        """Return every route."""
        return [
            Route(
                "GET",
                "/v1/events",
                "Stream progress, roots, model, checkpoints and changes, as server-sent events",
                self.listen,
                None,
                other={EVENTS: api.Event},
                work=Work.STREAM,
                members=True,
            )
        ]

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """Answer events for as long as the client listens; `Last-Event-ID` goes on after one."""
        events = self._service.listen(request.headers.get("Last-Event-ID"))
        async with self._streams.events(request) as (response, stream):
            try:
                async for event in events:
                    if event is None:
                        await stream.heartbeat()
                    else:
                        await stream.event(event.kind, event.id, msgspec.json.encode(event))
            finally:
                await events.aclose()
        return response
