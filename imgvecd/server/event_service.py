"""The seam for events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from imgvecd import api


class EventService(Protocol):
    """What tells clients what goes on."""

    def listen(self, last_id: str | None) -> AsyncGenerator[api.Event | None, None]:
        """Yield what happens after the event `last_id`, without end; None as a heartbeat.

        The state comes first where that event is not remembered, or there is none.
        """
        ...
