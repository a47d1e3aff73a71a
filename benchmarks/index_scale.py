"""Prints what the index costs at 10k, 100k and 1M images beside a plain float32 `IndexFlatIP`.

Fills a real catalog with clustered vectors in a temporary folder (8 GB at a million), and measures
each engine in a process of its own, on the same vectors and the same queries.

    python -m benchmarks.index_scale [--sizes 10000 100000 1000000] [--queries 200] [--folder DIR]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

from benchmarks import history
from benchmarks.clustered_vectors import BURST, DIM, ClusteredVectors
from benchmarks.filled_catalog import add_images, fill
from imgvecd.adapters.faiss_segments import FaissSegments
from imgvecd.catalog import Catalog
from imgvecd.config.schema import IndexConfig
from imgvecd.core.index import LibraryIndex
from imgvecd.types import FileChanges, ModelInfo, PreprocessSpec

FINGERPRINT = "benchmark"
MODEL = ModelInfo(FINGERPRINT, "benchmark", "", DIM, PreprocessSpec(224, (0.5,) * 3, (0.5,) * 3))
K = 10
STEP = BURST * 1250
SELECTIVITIES = {"50 %": 0.5, "1 %": 0.01, "0.005 %": 0.00005}
CHANGED = 100

# figure: (unit, what it must be at 1M)
BARS = {
    "search p50": ("ms", "<=", 10),
    "recall@10": ("", ">=", 0.995),
    "memory of the index, unmapped": ("MB", "<=", 150),
    "start to first answer": ("s", "<=", 2),
    "100 in, 100 out visible": ("ms", "<=", 100),
    "checkpoint": ("s", "<=", 1),
    "checkpoint written": ("MB", "<=", 5),
    "rebuild": ("s", "<=", 120),
    "search p95 while rebuilding / idle": ("x", "<=", 3),
    "search p95": ("ms", "", None),
    "search p95 while rebuilding": ("ms", "", None),
    "memory of the process, unmapped": ("MB", "", None),
    "memory after the rebuild": ("MB", "", None),
} | {
    f"{name}, filter of {label}": (unit, sign, bar)
    for label in SELECTIVITIES
    for name, unit, sign, bar in (("recall@10", "", ">=", 0.99), ("search p50", "ms", "<=", 25))
}


def main():
    options = arguments()
    if options.engine:
        measure = {"imgvecd": measure_imgvecd, "build": measure_build, "plain": measure_plain}
        print(json.dumps(measure[options.engine](options.folder, options.sizes[0])))
        return
    with tempfile.TemporaryDirectory(prefix="imgvecd-index-", dir=options.folder) as folder:
        for size in options.sizes:
            one = os.path.join(folder, str(size))
            os.mkdir(one)
            prepare(one, size, options.queries)
            figures = run("build", one, size) | run("imgvecd", one, size)
            report(size, figures, run("plain", one, size))


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=200, help="half texts, half images")
    parser.add_argument("--folder", help="where the temporary folder is made")
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    return parser.parse_args()


def run(engine, folder, size):
    """Return the figures of one engine, measured in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.index_scale", "--engine", engine]
    command += ["--folder", folder, "--sizes", str(size)]
    os.environ["IMGVECD_BENCHMARK_STARTED"] = str(time.time())
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def report(size, ours, plain):
    print(f"\n{size:,} images, {DIM} dimensions".replace(",", " "))
    print(f"  {'':<38}{'imgvecd':>12}{'IndexFlatIP':>14}  bar at 1M")
    history.record("index_scale", {f"{name} ({size:,})": figure for name, figure in ours.items()})
    for name, figure in ours.items():
        unit, sign, bar = BARS.get(name, ("s", "", None))
        verdict = ""
        if bar is not None:
            met = figure <= bar if sign == "<=" else figure >= bar
            verdict = f"  {sign} {bar} {unit}  {'ok' if met else 'MISSED'}"
        beside = f"{plain[name]:.4g} {unit}" if name in plain else "-"
        print(f"  {name:<38}{f'{figure:.4g} {unit}':>12}{beside:>14}{verdict}", flush=True)


def prepare(folder, size, queries):
    """Write vectors, a catalog with them, queries, filters, and the true answers."""
    started = time.monotonic()
    library = ClusteredVectors()
    vectors = np.lib.format.open_memmap(f"{folder}/vectors.npy", "w+", "<f2", (size, DIM))
    for start in range(0, size, STEP):
        rows = vectors[start : start + STEP]
        rows[:] = library.images(start, len(rows))
    catalog = open_catalog(folder)
    fill(catalog, MODEL, vectors)
    catalog.close()
    rng = np.random.default_rng(3)
    filters = {
        label: np.sort(rng.choice(size, max(1, round(size * share)), replace=False))
        for label, share in SELECTIVITIES.items()
    }
    wanted = library.queries(queries)
    truth = {"all": exact(vectors, wanted, np.arange(size))}
    truth |= {label: exact(vectors, wanted, rows) for label, rows in filters.items()}
    np.savez(f"{folder}/filters.npz", **filters)
    np.savez(f"{folder}/truth.npz", **truth)
    np.save(f"{folder}/queries.npy", wanted)
    print(f"made {size} vectors in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def open_catalog(folder):
    return Catalog(f"{folder}/catalog")


def exact(vectors, queries, rows):
    """Return the rows of the K best per query, (queries, K), by float32 products."""
    scores = np.empty((len(queries), len(rows)), np.float32)
    for start in range(0, len(rows), STEP):
        block = vectors[rows[start : start + STEP]].astype(np.float32)
        scores[:, start : start + len(block)] = queries @ block.T
    best = np.argpartition(-scores, min(K, len(rows)) - 1, axis=1)[:, :K]
    return rows[best]


def timed_searches(search, queries):
    """Return (answers, milliseconds) of one query at a time, after a few to warm up."""
    for query in queries[:10]:
        search(query[None])
    answers, times = [], []
    for query in queries:
        started = time.perf_counter()
        answers.append(search(query[None]))
        times.append((time.perf_counter() - started) * 1e3)
    return answers, times


def recall(answers, truth):
    return statistics.mean(
        len(set(found.ravel().tolist()) & set(true.tolist())) / len(true)
        for found, true in zip(answers, truth, strict=True)
    )


def p95(times):
    return float(np.percentile(times, 95))


def unmapped_mb():
    """Return the memory of this process that no file backs."""
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1000


def since_start():
    return time.time() - float(os.environ["IMGVECD_BENCHMARK_STARTED"])


def open_index(folder, catalog):
    return LibraryIndex.open(
        f"{folder}/index", FINGERPRINT, DIM, catalog.embeddings, IndexConfig(), FaissSegments()
    )


def measure_build(folder, size):
    catalog = open_catalog(folder)
    started = time.monotonic()
    index = open_index(folder, catalog)
    if index.needs_rebuild:
        index.rebuild()
        index.checkpoint()
    seconds = time.monotonic() - started
    assert len(index) == size
    index.close()
    catalog.close()
    return {"rebuild alone": seconds}


def measure_imgvecd(folder, size):
    queries = np.load(f"{folder}/queries.npy")
    truth, filters = np.load(f"{folder}/truth.npz"), np.load(f"{folder}/filters.npz")
    catalog = open_catalog(folder)
    before = unmapped_mb()
    index = open_index(folder, catalog)
    index.search(queries[:1], K)
    figures = {"start to first answer": since_start()}
    answers, times = timed_searches(lambda query: index.search(query, K)[1] - 1, queries)
    figures["search p50"] = statistics.median(times)
    figures["search p95"] = p95(times)
    figures["recall@10"] = recall(answers, truth["all"])
    figures["memory of the index, unmapped"] = unmapped_mb() - before
    figures["memory of the process, unmapped"] = unmapped_mb()
    for label, rows in filters.items():
        allowed = rows + 1
        answers, times = timed_searches(
            lambda query, allowed=allowed: index.search(query, K, allowed=allowed)[1] - 1, queries
        )
        figures[f"search p50, filter of {label}"] = statistics.median(times)
        figures[f"recall@10, filter of {label}"] = recall(answers, truth[label])
    figures |= measure_changes(index, catalog, size)
    figures |= measure_rebuild(index, queries)
    index.close()
    catalog.close()
    return figures


def measure_changes(index, catalog, size):
    (root,) = catalog.files.roots()
    new = ClusteredVectors(seed=8).images(0, CHANGED)
    gone = [file.id for file in catalog.files.iter_files(root.id, b"00000", recursive=False)][
        :CHANGED
    ]
    ids = add_images(catalog, root.id, MODEL, size, new)
    catalog.files.apply(FileChanges(removed=tuple(gone)))
    started = time.perf_counter()
    index.catch_up()
    found = index.search(new[:1].astype(np.float32), 1)[1]
    visible_ms = (time.perf_counter() - started) * 1e3
    assert found[0, 0] == ids[0]
    assert len(index) == size
    started = time.perf_counter()
    written = index.checkpoint()
    return {
        "100 in, 100 out visible": visible_ms,
        "checkpoint": time.perf_counter() - started,
        "checkpoint written": written / 1e6,
    }


def measure_rebuild(index, queries):
    _, idle = timed_searches(lambda query: index.search(query, K), queries)
    thread = threading.Thread(target=index.rebuild)
    started = time.monotonic()
    thread.start()
    beside = []
    while thread.is_alive():
        beside += timed_searches(lambda query: index.search(query, K), queries[:50])[1]
    seconds = time.monotonic() - started
    return {
        "rebuild": seconds,
        "search p95 while rebuilding": p95(beside),
        "search p95 while rebuilding / idle": p95(beside) / p95(idle),
        "memory after the rebuild": unmapped_mb(),
    }


def measure_plain(folder, size):
    """What the obvious program does: every vector in memory as float32, one file for all."""
    import faiss  # noqa: PLC0415  # not in the processes that measure imgvecd

    vectors = np.load(f"{folder}/vectors.npy", mmap_mode="r")
    queries = np.load(f"{folder}/queries.npy")
    truth, filters = np.load(f"{folder}/truth.npz"), np.load(f"{folder}/filters.npz")
    figures, path, before = {}, f"{folder}/plain.faiss", unmapped_mb()
    started = time.monotonic()
    index = faiss.IndexIDMap(faiss.IndexFlatIP(DIM))
    for start in range(0, size, STEP):
        block = vectors[start : start + STEP].astype(np.float32)
        index.add_with_ids(block, np.arange(start, start + len(block)))
    figures["rebuild alone"] = figures["rebuild"] = time.monotonic() - started
    answers, times = timed_searches(lambda query: index.search(query, K)[1], queries)
    figures["search p50"] = statistics.median(times)
    figures["search p95"] = p95(times)
    figures["recall@10"] = recall(answers, truth["all"])
    figures["memory of the index, unmapped"] = unmapped_mb() - before
    figures["memory of the process, unmapped"] = unmapped_mb()
    for label, rows in filters.items():
        chosen = faiss.SearchParameters(sel=faiss.IDSelectorBatch(rows))
        answers, times = timed_searches(
            lambda query, chosen=chosen: index.search(query, K, params=chosen)[1], queries[:20]
        )
        figures[f"search p50, filter of {label}"] = statistics.median(times)
        figures[f"recall@10, filter of {label}"] = recall(answers, truth[label][:20])
    started = time.perf_counter()
    index.remove_ids(np.arange(CHANGED))
    new = ClusteredVectors(seed=8).images(0, CHANGED).astype(np.float32)
    index.add_with_ids(new, np.arange(size, size + CHANGED))
    index.search(new[:1], 1)
    figures["100 in, 100 out visible"] = (time.perf_counter() - started) * 1e3
    started = time.perf_counter()
    faiss.write_index(index, path)
    os.sync()
    figures["checkpoint"] = time.perf_counter() - started
    figures["checkpoint written"] = os.path.getsize(path) / 1e6
    index.reset()
    started = time.perf_counter()
    faiss.read_index(path).search(queries[:1], K)
    figures["start to first answer"] = time.perf_counter() - started
    os.unlink(path)
    return figures


if __name__ == "__main__":
    main()
