"""Which clients came lately: one that is alone need not make room for others."""

from __future__ import annotations

import collections
from collections.abc import Hashable

_RECENT_S = 1.0  # a client that came so lately may well come again


class RecentClients:
    """For one thread. All times are of one clock, in seconds."""

    def __init__(self) -> None:
        self._came: collections.OrderedDict[Hashable, float] = collections.OrderedDict()

    def note(self, client: Hashable, now: float) -> None:
        """Note that a client comes now, and forget those who have not come for a while."""
        self._came[client] = now
        self._came.move_to_end(client)
        self.forget_gone(now)

    def forget_gone(self, now: float) -> None:
        """Forget those who have not come for a while."""
        while self._came and next(iter(self._came.values())) < now - _RECENT_S:
            self._came.popitem(last=False)

    def alone(self, client: Hashable) -> bool:
        """Return whether no other client is remembered."""
        return not self._came.keys() - {client}

    def came_at(self, client: Hashable) -> float:
        """Return when a client came last; 0 if it is not remembered."""
        return self._came.get(client, 0.0)
