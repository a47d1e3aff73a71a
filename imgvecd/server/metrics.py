"""Figures for monitoring, in the Prometheus text format.

prometheus_client writes them: it escapes, types and buckets as scrapers expect, needs nothing
itself, and takes 60 ms to import, in the daemon only.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Iterator, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from imgvecd.api import Status
from imgvecd.core.timing.duration_histogram import DurationHistogram

# Text format 0.0.4, which every scraper reads.
MEDIA_TYPE = "text/plain"
CONTENT_TYPE = f"{MEDIA_TYPE}; version=0.0.4"
# Upper bounds in seconds: a warm text query takes milliseconds, the first after a pause seconds.
_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STATES = ("starting", "scanning", "indexing", "paused", "idle", "stopping")


class SearchTimes:
    """How long searches took, as a histogram. For one event loop."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._seconds = Histogram(
            "imgvecd_search_seconds",
            "Time from request to answer of a search.",
            buckets=_BOUNDS_S,
            registry=self.registry,
        )

    def timed(self, handler: Handler) -> Handler:
        """Return `handler` with every call that succeeds measured."""

        async def measuring(request: web.Request) -> web.StreamResponse:
            began = time.perf_counter()
            answer = await handler(request)
            self._seconds.observe(time.perf_counter() - began)
            return answer

        return measuring


class _State(Collector):
    """One status, as metrics; roots are numbered, since their names are private."""

    def __init__(
        self,
        status: Status,
        failures: Mapping[str, int],
        requests: Mapping[str, int],
        encodes: DurationHistogram | None,
    ) -> None:
        self._encodes = encodes
        self._status = status
        self._failures = failures
        self._requests = requests

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        status, index = self._status, self._status.index
        files = status.files
        by_state = {"indexed": files.indexed, "pending": files.pending, "failed": files.failed}
        yield _labelled("imgvecd_files", "Files known, by state.", "state", by_state)
        yield _labelled(
            "imgvecd_failures", "Files that cannot be searched.", "reason", self._failures
        )
        yield _labelled("imgvecd_requests", "Requests, by state.", "state", self._requests)
        encoded = CounterMetricFamily("imgvecd_encoded", "Images encoded since the start.")
        encoded.add_metric([], status.encoded)
        yield encoded
        if self._encodes is not None:
            yield _histogram(
                "imgvecd_encode_seconds", "Time to encode a batch of images.", self._encodes
            )
        yield _gauge("imgvecd_encode_rate", "Images per second.", status.rate_per_s)
        yield _gauge("imgvecd_index_vectors", "Vectors searched.", index.vectors)
        yield _gauge("imgvecd_index_delta", "Vectors since the base.", index.delta)
        yield _gauge("imgvecd_index_removed", "Vectors removed.", index.removed)
        if index.checkpoint_at is not None:
            written = datetime.datetime.fromisoformat(index.checkpoint_at).timestamp()
            age = max(0.0, time.time() - written)
            yield _gauge("imgvecd_checkpoint_age_seconds", "Age of the checkpoint.", age)
        loaded = int(status.model.loaded)
        yield _gauge("imgvecd_model_loaded", "Whether the model is in memory.", loaded)
        roots = {str(number): int(root.online) for number, root in enumerate(status.roots)}
        yield _labelled("imgvecd_root_online", "Whether a root is online.", "root", roots)
        states = {state: int(state == status.state) for state in _STATES}
        yield _labelled("imgvecd_state", "What the daemon is doing.", "state", states)
        memory = _memory_bytes()
        if memory:
            yield _labelled("imgvecd_memory_bytes", "Resident memory.", "process", memory)


def render(
    status: Status,
    failures: Mapping[str, int],
    requests: Mapping[str, int],
    searches: SearchTimes,
    encodes: DurationHistogram | None,
) -> bytes:
    """Return the whole text.

    Args:
        failures: files by reason.
        requests: "under_way" and "waiting".
    """
    state = CollectorRegistry(auto_describe=False)
    state.register(_State(status, failures, requests, encodes))
    return generate_latest(state) + generate_latest(searches.registry)


def _histogram(name: str, text: str, durations: DurationHistogram) -> Metric:
    metric = HistogramMetricFamily(name, text)
    buckets = [(str(bound), count) for bound, count in durations.cumulated()]
    metric.add_metric([], [*buckets, ("+Inf", durations.total)], durations.sum_s)
    return metric


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _labelled(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    metric = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        metric.add_metric([key], value)
    return metric


def _memory_bytes() -> dict[str, int]:
    """Return resident memory of the daemon and of its workers together, where Linux tells."""
    own = os.getpid()
    sizes = {"daemon": 0, "workers": 0}
    with contextlib.suppress(OSError):
        sizes["daemon"] = _resident_bytes(own)
        for thread in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{thread}/children") as children:
                for child in children.read().split():
                    sizes["workers"] += _resident_bytes(int(child))
    return sizes if sizes["daemon"] else {}


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0
