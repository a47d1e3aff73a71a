"""Shows that memory stays flat while many files wait: 100,000 of them by default.

Makes tiny JPEGs in a temporary folder, starts a real daemon on them, with a worker that takes no
time in the place of the model, and samples the memory of the daemon and of its workers until all is
indexed. "Own" memory is what no file stands behind; the index on disk is mapped and can be dropped.

    python -m benchmarks.backlog [--files 100000] [--until 30000]
"""

from __future__ import annotations

import argparse
import io
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from benchmarks import history
from tests.running import RunningDaemon

SIDE = 32
PER_FOLDER = 1000
SAMPLE_S = 1.0
LEAST = 5000


def make_images(folder: Path, count: int) -> None:
    rng = np.random.default_rng(1)
    for number in range(count):
        if number % PER_FOLDER == 0:
            place = folder / f"{number // PER_FOLDER:04d}"
            place.mkdir(parents=True)
        pixels = rng.integers(0, 255, (SIDE // 8, SIDE // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "JPEG")
        (place / f"{number}.jpg").write_bytes(data.getvalue())


def start(work: Path, photos: Path) -> RunningDaemon:
    """Start a daemon with the tests' fast encoder in the place of the model."""
    home = work / "home"
    home.mkdir()
    tests = Path(__file__).parents[1] / "tests"
    env = {"PYTHONPATH": str(tests), "ENCODED": str(home / "encoded")}
    return RunningDaemon(home, [photos], env=env, module="fast_daemon")


def own_mb(process: psutil.Process) -> float:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1e3
    return 0.0


def sample(daemon: psutil.Process) -> tuple[float, float, float]:
    """Return MB: (RSS of the daemon, its own memory, own memory of its workers)."""
    workers = 0.0
    for child in daemon.children(recursive=True):
        try:
            workers += own_mb(child)
        except OSError:  # it has just ended
            continue
    return daemon.memory_info().rss / 1e6, own_mb(daemon), workers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100_000, help="how many images to make")
    parser.add_argument("--until", type=int, help="stop after so many are indexed")
    options = parser.parse_args()
    until = options.until or options.files
    if until < LEAST:
        parser.error(f"fewer than {LEAST} images are over before anything can be seen")
    work = Path(tempfile.mkdtemp(prefix="imgvecd-backlog-"))
    daemon = None
    try:
        make_images(work / "photos", options.files)
        print(f"{options.files} images made", flush=True)
        started = time.perf_counter()
        daemon = start(work, work / "photos")
        process = psutil.Process(daemon.process.pid)
        samples: list[tuple[int, int, float, float, float]] = []
        print(
            f"{'indexed':>8} {'waiting':>8} {'RSS':>8} {'own':>8} {'workers':>8}   MB", flush=True
        )
        shown = -1
        while True:
            files = daemon.status()["files"]
            samples.append((files["indexed"], files["pending"], *sample(process)))
            if files["indexed"] * 20 // until > shown:
                shown = files["indexed"] * 20 // until
                indexed, waiting, *memory = samples[-1]
                memory_mb = " ".join(f"{mb:8.1f}" for mb in memory)
                print(f"{indexed:>8} {waiting:>8} {memory_mb}", flush=True)
            if files["indexed"] >= until:
                break
            time.sleep(SAMPLE_S)
        took_s = time.perf_counter() - started
        steady = [row for row in samples if row[0] >= until / 10]
        slope = statistics.linear_regression(
            [row[0] / 10_000 for row in steady], [row[3] for row in steady]
        ).slope
        own = [row[3] for row in steady]
        print(
            f"{until} indexed in {took_s:.0f} s; own memory of the daemon from the first tenth on: "
            f"{own[0]:.1f} to {own[-1]:.1f} MB, at the most {max(own):.1f}; "
            f"{slope:+.2f} MB for each 10,000 files"
        )
        figures = {"seconds": took_s, "most MB": max(own), "MB more for each 10,000": slope}
        history.record(
            "backlog", {f"{name}, {until} files": value for name, value in figures.items()}
        )
        assert daemon.stop() == 0
    finally:
        if daemon is not None:
            daemon.kill()
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
