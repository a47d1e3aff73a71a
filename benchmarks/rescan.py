"""Figures for watching: rescan, directory rename, a tree copied in, a closed file noticed.

    python -m benchmarks.rescan [FILES]

It works in a temporary folder and needs no model.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import history
from tests.watching import Watching, watching

PER_FOLDER = 200
RENAMED = 10_000
COPIED_FOLDERS = 300
COPIED_PER_FOLDER = 10
COPY_RUNS = 10
SHOWN: dict[str, str] = {}


def make_files(folder: Path, files: int, per_folder: int) -> None:
    for number in range(files):
        place = folder / f"{number // per_folder:05}"
        if number % per_folder == 0:
            place.mkdir(parents=True)
        (place / f"{number:07}.jpg").write_bytes(b"%d" % number)


async def rescan(watched: Watching, files: int) -> None:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        await watched.reconciler.rescan()
        times.append(time.perf_counter() - began)
    show(f"stat-only rescan of {files:,} files", f"{statistics.median(times):.2f} s")


async def rename(watched: Watching, library: Path) -> None:
    make_files(library / "holiday", RENAMED, 500)
    await watched.reconciler.barrier()
    watched.read_all()
    ids = {row.stamp.inode: row.id for row in watched.files().values()}
    began = time.perf_counter()
    (library / "holiday").rename(library / "vacation")
    await watched.reconciler.barrier()
    took_s = time.perf_counter() - began
    files = watched.files()
    assert sum(path.startswith("vacation/") for path in files) == RENAMED
    assert {row.stamp.inode: row.id for row in files.values()} == ids
    pending = len(watched.pending())
    renamed = f"directory of {RENAMED:,} files renamed"
    show(renamed, f"{took_s:.2f} s, {pending} to be read again")


async def copy(watched: Watching, library: Path, source: Path) -> None:
    missed = 0
    files = COPIED_FOLDERS * COPIED_PER_FOLDER
    for run in range(COPY_RUNS):
        target = f"copied-{run}"
        process = await asyncio.create_subprocess_exec("cp", "-r", source, library / target)
        await process.wait()
        await watched.reconciler.barrier()
        missed += files - sum(path.startswith(target) for path in watched.files())
    show(f"cp -r of {files:,} files in nested folders, {COPY_RUNS} runs", f"{missed} missed")


async def closed(watched: Watching, library: Path) -> None:
    times = []
    for number in range(20):
        watched.changed.clear()
        (library / f"closed-{number}.jpg").write_bytes(b"new")
        began = time.perf_counter()
        await watched.changed.wait()
        times.append((time.perf_counter() - began) * 1000)
    show("closed file committed as pending", f"p50 {statistics.median(times):.0f} ms")


def show(name: str, figure: str) -> None:
    print(f"{name}: {figure}")
    SHOWN[name] = figure


async def main(files: int) -> None:
    with tempfile.TemporaryDirectory(prefix="imgvecd-rescan-") as place:
        library, source = Path(place, "library"), Path(place, "source")
        make_files(library / "photos", files, PER_FOLDER)
        deep = source
        for number in range(COPIED_FOLDERS):
            deep = source / f"{number}" if number % 10 == 0 else deep / f"{number}"
            make_files(deep, COPIED_PER_FOLDER, COPIED_PER_FOLDER)
        began = time.perf_counter()
        async with watching(os.path.join(place, "state"), str(library)) as watched:
            show(f"first scan of {files:,} files", f"{time.perf_counter() - began:.2f} s")
            watched.read_all()
            await rescan(watched, files)
            await rename(watched, library)
            await copy(watched, library, source)
            await closed(watched, library)
            idle_s = time.process_time()
            await asyncio.sleep(5)
            show("idle", f"{(time.process_time() - idle_s) / 5:.2%} of a core")
            history.record_shown("rescan", SHOWN)
        shutil.rmtree(library)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
