"""Prints what a real daemon with a million images costs: start, memory, searches, status, stop.

Fills a catalog with vectors of the embedded model's length and starts `imgvecd serve` on it, whose
one root is offline. Each figure stands beside its bar where there is one.

    python -m benchmarks.daemon_scale [--images 1000000] [--folder DIR]
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks import history
from benchmarks.filled_catalog import fill
from imgvecd.catalog import Catalog
from imgvecd.core.library.model_choice import choose_model
from imgvecd.types import ModelInfo, PreprocessSpec
from tests.running import RunningDaemon

DIM = 512
SHOWN: dict[str, str] = {}
TOPICS = 2000
SEARCHES = {
    "search, 10 best": {},
    "search in a folder of 1,000": {"filters": {"folder": f"/photos/{7:05d}"}},
    "the relevant ones, newest first": {"order": "newest"},
    "grouped by folder": {"group": "folder"},
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--folder", help="where the temporary folder is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imgvecd-daemon-", dir=options.folder) as home:
        prepare(Path(home), options.images)
        first = start(home, options.images, "first start, index to be built")
        first.wait_until(lambda: first.status()["index"]["generation"] and settled(first))
        first.stop()
        daemon = start(home, options.images, "start, to the first answer", bar_s=2)
        measure(daemon, options.images)
        started = time.perf_counter()
        assert daemon.stop() == 0
        line("stop", f"{time.perf_counter() - started:.1f} s")
        history.record_shown("daemon_scale", SHOWN)


def prepare(home, images):
    rng = np.random.default_rng(0)
    topics = rng.normal(size=(TOPICS, DIM)).astype(np.float32)
    vectors = np.empty((images, DIM), np.float16)
    for begin in range(0, images, 10_000):
        some = vectors[begin : begin + 10_000]
        rows = topics[rng.integers(0, TOPICS, len(some))]
        rows = rows + 0.7 * rng.normal(size=rows.shape).astype(np.float32)
        some[:] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    choice = choose_model("imgvecd-mini")
    spec = PreprocessSpec(224, (0.5,) * 3, (0.25,) * 3)
    model = ModelInfo(choice.fingerprint, choice.name, choice.pretrained, DIM, spec)
    catalog = Catalog(str(home / ".local" / "state" / "imgvecd"))
    fill(catalog, model, vectors)
    catalog.models.set_serving(model.fingerprint)
    catalog.close()


def start(home, images, name, bar_s=None):
    """Return a daemon that has answered over all images, and print how long that took."""
    started = time.perf_counter()
    daemon = RunningDaemon(home, ["/photos"])
    daemon.wait_until(lambda: search(daemon, 1)["searched"] == images)
    seconds = time.perf_counter() - started
    line(name, f"{seconds:.1f} s", None if bar_s is None else (f"<= {bar_s} s", seconds <= bar_s))
    return daemon


def settled(daemon):
    status = daemon.status()
    return status["state"] == "idle" and not status["index"]["rebuilding"]


def search(daemon, image, **request):
    body = {"image": {"id": image}, "limit": 10, "all": True, **request}
    return daemon.post("/v1/search", body)


def measure(daemon, images):
    daemon.wait_until(lambda: settled(daemon))
    process = psutil.Process(daemon.process.pid)
    memory = process.memory_info()
    line("memory that no file backs", f"{(memory.rss - memory.shared) / 1e6:.0f} MB")
    for name, request in SEARCHES.items():
        times = []
        for number in range(20):
            began = time.perf_counter()
            found = search(daemon, 1 + number * (images // 20), **request)
            times.append((time.perf_counter() - began) * 1e3)
            assert found["hits"]
        line(name, f"p50 {statistics.median(times):.0f} ms, most {max(times):.0f} ms")
    began = time.perf_counter()
    daemon.status()
    line("status, nothing changed", f"{(time.perf_counter() - began) * 1e3:.0f} ms")
    began = time.perf_counter()
    daemon.get("/v1/stats")
    line("stats", f"{(time.perf_counter() - began) * 1e3:.0f} ms")


def line(name, figure, bar=None):
    verdict = "" if bar is None else f"   {bar[0]}  {'ok' if bar[1] else 'MISSED'}"
    print(f"  {name:<36}{figure:>30}{verdict}", flush=True)
    SHOWN[name] = figure


if __name__ == "__main__":
    main()
