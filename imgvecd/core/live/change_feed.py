"""Answers "what changed since" without a gap, whatever clock is asked for."""

from __future__ import annotations

import re

from imgvecd.api import Changes, clock_text
from imgvecd.errors import BadRequestError
from imgvecd.protocols import ChangeLog, EmbeddingSource

# c:<instance>:<clock>, and within a full state +<last file told>
_CLOCK = re.compile(r"c:(?P<instance>\w+):(?P<clock>\d{1,18})(\+(?P<file>\d{1,18}))?")


class ChangeFeed:
    """Pages through the change log, or through the full state where the log does not reach.

    The state is told with the clock at which its first page was read: changes made while a client
    pages come again from the log, so that none is lost and some are told twice.
    Thread-safety: any thread.
    """

    def __init__(self, log: ChangeLog, embeddings: EmbeddingSource) -> None:
        self._log = log
        self._embeddings = embeddings
        self._instance = embeddings.instance()

    def changes(self, since: str | None, limit: int) -> Changes:
        """Return about `limit` changes after the clock `since`; the full state without one.

        Raises:
            BadRequestError: `since` is no clock.
        """
        now = self._embeddings.clock()
        if since is None:
            return self._state(now, 0, limit)
        match = _CLOCK.fullmatch(since)
        if match is None:
            raise BadRequestError(f"`since` is not a clock: {since!r}; clocks look like c:1f0a:42")
        clock = int(match["clock"])
        known = match["instance"] == self._instance and clock <= now and self._log.covers(clock)
        if not known:
            return self._state(now, 0, limit)
        if match["file"]:
            return self._state(clock, int(match["file"]), limit)
        reached, changes = self._log.since(clock, now, limit)
        return Changes(
            changes=tuple(changes), clock=clock_text(self._instance, reached), more=reached < now
        )

    def _state(self, clock: int, after_file: int, limit: int) -> Changes:
        last, changes = self._log.state(after_file, limit)
        suffix = "" if last is None else f"+{last}"
        return Changes(
            changes=tuple(changes),
            clock=clock_text(self._instance, clock) + suffix,
            fresh_instance=True,
            more=last is not None,
        )
