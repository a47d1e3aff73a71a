"""Draws the progress of indexing on a terminal."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable
from typing import Never

from tqdm import tqdm

from imgvecd.api import Status
from imgvecd.command_hints import program, runnable
from imgvecd.terminal_output import printable, warn

# Twice a second looks alive and costs nothing beside encoding.
_INTERVAL_S = 0.5
_FORMAT = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} files{postfix}"


class BarHandler(logging.Handler):
    """Writes log lines above the bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; as `logging` asks, whatever happens raises nothing."""
        try:
            tqdm.write(self.format(record), file=sys.stderr)
        except Exception:  # noqa: BLE001  # as in logging.StreamHandler
            self.handleError(record)


async def show_progress(
    status: Callable[[], Awaitable[Status]],
    ask: Callable[[Status], Awaitable[None]],
    interval_s: float = _INTERVAL_S,
) -> None:
    """Draw a bar on standard error until the daemon is first idle; then say how to search.

    Without a terminal there is no bar, only the last line.

    Args:
        ask: is handed each status while the bar is out of the way.
    """
    with tqdm(bar_format=_FORMAT, disable=None, dynamic_ncols=True, leave=False) as bar:
        while True:
            now = await status()
            bar.clear()
            await ask(now)
            if now.state == "idle":
                break
            _draw(bar, now)
            await asyncio.sleep(interval_s)
    warn(*_summary(now).split("\n"))


def _draw(bar: tqdm[Never], now: Status) -> None:
    bar.total = now.files.seen
    bar.n = now.files.indexed + now.files.failed
    state = f"paused: {now.pause.reason}" if now.state == "paused" and now.pause else now.state
    if now.state == "starting":
        state = now.model.error or f"loading the model {now.model.name}"
    bar.set_description_str(printable(runnable(state)), refresh=False)
    left = "" if now.eta_s is None else f", {tqdm.format_interval(now.eta_s)} left"
    bar.set_postfix_str(f"{now.rate_per_s:.1f}/s{left}", refresh=False)
    bar.refresh()


def _summary(now: Status) -> str:
    failed = f" ({now.files.failed:,} could not be read)" if now.files.failed else ""
    if now.files.seen:
        found = f"{now.files.indexed:,} photos can be searched{failed}."
    else:
        folders = ", ".join(
            root.path if root.online else f"{root.path} ({root.offline_reason})"
            for root in now.roots
        )
        found = f"No photos are in {folders}; those that come are found by themselves."
    return (
        f"{found} In another terminal:\n"
        f'  {program("imgvec")} search "a dog on the beach"\n'
        "Ctrl-C stops the daemon; nothing is encoded twice."
    )
