"""Prints what a search through the socket takes, with imgvecd-mini over the captioned photos.

    python -m benchmarks.search [--clients 50] [--batch 64]

Texts are captions of photos that are not in the library, each asked once where the text is to be
encoded. The machine's other load shows in every figure alike: compare within one run.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path

from benchmarks import captioned, history
from tests.running import RunningDaemon

_QUERIES = 200
_IDLE_S = 3


class Figures:
    """Rows of the table that is printed at the end."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def add(self, name: str, times_s: list[float]) -> None:
        ordered = sorted(times_s)
        p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        self.rows.append((name, f"{1000 * statistics.median(ordered):.1f}", f"{1000 * p95:.1f}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    photos, others = captioned.photos("dev"), captioned.photos("train")
    if not photos:
        raise SystemExit(f"the captioned data is not in {captioned.CAPTIONED}")
    texts = itertools.chain.from_iterable(zip(*(photo.captions for photo in others), strict=False))
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "photos").mkdir()
        for photo in photos:
            shutil.copy(photo.path, work / "photos")
        settings = {"model": "imgvecd-mini", "encode__idle_s": _IDLE_S}
        daemon = RunningDaemon(work / "home", [work / "photos"], settings)
        try:
            daemon.wait_until_indexed(len(photos))
            measure(daemon, texts, options)
        finally:
            daemon.stop()


def measure(daemon: RunningDaemon, texts, options) -> None:
    figures = Figures()
    daemon.wait_until(lambda: "relevance" in ask(daemon, "a dog")["hits"][0])
    asked = list(itertools.islice(texts, _QUERIES))
    figures.add("new text, model in memory", [timed(daemon, text) for text in asked])
    figures.add("the same text again", [timed(daemon, text) for text in asked])
    figures.add(
        "the same, with filters",
        [timed(daemon, text, filters={"format": ["jpeg"]}) for text in asked],
    )
    batch = list(itertools.islice(texts, options.batch))
    figures.add(
        f"{options.batch} new texts, one after the other", [sum(timed(daemon, t) for t in batch)]
    )
    batch = list(itertools.islice(texts, options.batch))
    figures.add(f"{options.batch} new texts in one request", [timed_batch(daemon, batch)])
    crowd = [list(itertools.islice(texts, 5)) for _ in range(options.clients)]
    figures.add(f"{options.clients} clients at once, new texts", together(daemon, crowd))
    figures.add(f"{options.clients} clients at once, known texts", together(daemon, crowd))
    figures.add("one client, known texts", [timed(daemon, text) for text in crowd[0] * 20])
    without_model(daemon, figures, asked[0], next(texts))
    history.show_table("search", figures.rows, ("search", "p50 ms", "p95 ms"))


def without_model(daemon, figures, known, new) -> None:
    daemon.wait_until(lambda: not daemon.status()["model"]["loaded"])
    figures.add("known text, no model in memory", [timed(daemon, known) for _ in range(20)])
    assert not daemon.status()["model"]["loaded"]
    figures.add("new text, no model in memory", [timed(daemon, new)])


def ask(daemon, text, **fields):
    return daemon.post("/v1/search", {"text": text, "all": True, **fields})


def timed(daemon, text, **fields) -> float:
    started = time.perf_counter()
    ask(daemon, text, **fields)
    return time.perf_counter() - started


def timed_batch(daemon, texts) -> float:
    searches = [{"text": text, "all": True} for text in texts]
    started = time.perf_counter()
    daemon.post("/v1/search/batch", {"searches": searches})
    return time.perf_counter() - started


def together(daemon, crowd) -> list[float]:
    """Return the times of all that clients ask at once, each one text after the other."""
    times: list[float] = []
    gate = threading.Barrier(len(crowd))

    def client(texts) -> None:
        gate.wait()
        times.extend([timed(daemon, text) for text in texts])

    threads = [threading.Thread(target=client, args=(texts,)) for texts in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == sum(map(len, crowd)), "a client failed"
    return times


if __name__ == "__main__":
    main()
