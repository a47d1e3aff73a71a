"""Figures for monitoring, in the Prometheus text format."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterator

from aiohttp import web
from aiohttp.typedefs import Handler

from imgvecd.api import Status

# Text format 0.0.4, which every scraper reads.
MEDIA_TYPE = "text/plain"
CONTENT_TYPE = f"{MEDIA_TYPE}; version=0.0.4"
# Upper bounds in seconds: a warm text query takes milliseconds, the first after a pause seconds.
_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STATES = ("starting", "scanning", "indexing", "paused", "idle", "stopping")


class SearchTimes:
    """How long searches took, as a histogram. For one event loop."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS_S) + 1)
        self._sum_s = 0.0

    def timed(self, handler: Handler) -> Handler:
        """Return `handler` with every call that succeeds measured."""

        async def measuring(request: web.Request) -> web.StreamResponse:
            began = time.perf_counter()
            answer = await handler(request)
            took_s = time.perf_counter() - began
            self._counts[bisect_left(_BOUNDS_S, took_s)] += 1
            self._sum_s += took_s
            return answer

        return measuring

    def lines(self) -> Iterator[str]:
        """Yield the histogram."""
        name = "imgvecd_search_seconds"
        yield from _head(name, "histogram", "Time from request to answer of a search")
        total = 0
        for bound, count in zip((*map(str, _BOUNDS_S), "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{bound}"}} {total}'
        yield f"{name}_sum {self._sum_s:.6f}"
        yield f"{name}_count {total}"


def render(status: Status, searches: SearchTimes) -> bytes:
    """Return the whole text; roots are numbered, since their names are private."""
    return ("\n".join([*_status_lines(status), *searches.lines()]) + "\n").encode()


def _status_lines(status: Status) -> Iterator[str]:
    files, index = status.files, status.index
    by_state = {"indexed": files.indexed, "pending": files.pending, "failed": files.failed}
    yield from _labelled("imgvecd_files", "Files known, by state", "state", by_state)
    yield from _single("imgvecd_encoded_total", "counter", "Images encoded", status.encoded)
    yield from _single("imgvecd_encode_rate", "gauge", "Images per second", status.rate_per_s)
    yield from _single("imgvecd_index_vectors", "gauge", "Vectors searched", index.vectors)
    yield from _single("imgvecd_index_delta", "gauge", "Vectors since the base", index.delta)
    yield from _single("imgvecd_index_removed", "gauge", "Vectors removed", index.removed)
    loaded = int(status.model.loaded)
    yield from _single("imgvecd_model_loaded", "gauge", "Whether the model is in memory", loaded)
    roots = {str(number): int(root.online) for number, root in enumerate(status.roots)}
    yield from _labelled("imgvecd_root_online", "Whether a root is online", "root", roots)
    yield from _labelled("imgvecd_workers", "Worker processes", "kind", status.workers)
    states = {state: int(state == status.state) for state in _STATES}
    yield from _labelled("imgvecd_state", "What the daemon is doing", "state", states)


def _single(name: str, kind: str, text: str, value: float) -> Iterator[str]:
    yield from _head(name, kind, text)
    yield f"{name} {value}"


def _labelled(name: str, text: str, label: str, values: dict[str, int]) -> Iterator[str]:
    yield from _head(name, "gauge", text)
    yield from (f'{name}{{{label}="{key}"}} {value}' for key, value in values.items())


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}.", f"# TYPE {name} {kind}"
