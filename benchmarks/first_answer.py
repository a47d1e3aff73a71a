"""Prints how long the first text query and a new photo take while the daemon is idle.

    python -m benchmarks.first_answer [--rounds 5] [--model ViT-B-32-256 | imgvecd-mini]

The weights are random, which takes as long as any. "Idle" means that no worker holds a model, and
none decodes. The time of a query is that of the whole exchange on the socket; that of a photo, of
12 megapixels, goes from its last byte to when it is indexed.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import open_clip
import safetensors.torch

from benchmarks import history
from benchmarks.end_to_end import make_photos
from tests.running import RunningDaemon

_PHOTOS = Path(__file__).parents[1] / "tests" / "data" / "photos"
_IDLE_S = 2
_LOOK_S = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="ViT-B-32-256")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        photos, new = work / "photos", work / "new"
        shutil.copytree(_PHOTOS, photos)
        make_photos(new, options.rounds)
        settings = {
            "encode__idle_s": _IDLE_S,
            "decode__idle_s": _IDLE_S,
            **model_settings(options.model, work),
        }
        daemon = RunningDaemon(work / "home", [photos], settings)
        try:
            daemon.wait_until(daemon.is_idle)
            queries = measure(daemon, options.rounds)
            rows = [
                *queries,
                ("a new photo, no model in memory", *figures(measure_photos(daemon, new, photos))),
            ]
            history.show_table("first_answer", rows, ("", "median ms", "worst ms"))
        finally:
            daemon.stop()


def model_settings(name: str, work: Path) -> dict[str, Any]:
    if name == "imgvecd-mini":
        return {"model": name}
    checkpoint = work / "random.safetensors"
    safetensors.torch.save_model(open_clip.create_model(name), str(checkpoint))
    return {"model.name": name, "model.pretrained": checkpoint}


def measure_photos(daemon: RunningDaemon, new: Path, photos: Path) -> list[float]:
    """Return the seconds of each new photo until it is indexed, one at a time."""
    times_s = []
    for photo in sorted(new.iterdir()):
        daemon.wait_until(lambda: not daemon.status()["model"]["loaded"])
        time.sleep(_IDLE_S + 1)  # decoders are not in status
        before = daemon.status()["files"]["indexed"]
        shutil.copy(photo, photos)
        started = time.perf_counter()
        while daemon.status()["files"]["indexed"] == before:
            time.sleep(_LOOK_S)
        times_s.append(time.perf_counter() - started)
    return times_s


def measure(daemon: RunningDaemon, rounds: int) -> list[tuple[str, str, str]]:
    first, second, known = [], [], []
    for i in range(rounds):
        daemon.wait_until(lambda: not daemon.status()["model"]["loaded"])
        known.append(timed(daemon, "a dog on the beach") if i else timed_first(daemon))
        assert not i or not daemon.status()["model"]["loaded"]
        daemon.wait_until(lambda: not daemon.status()["model"]["loaded"])
        first.append(timed(daemon, f"a photo of {i} dogs on the beach at sunset"))
        second.append(timed(daemon, f"a photo of {i} cats in the garden"))
    return [
        ("new text, no model in memory", *figures(first)),
        ("the next new text", *figures(second)),
        ("known text, no model in memory", *figures(known[1:])),
    ]


def timed_first(daemon: RunningDaemon) -> float:
    """Ask the text that is asked again; the catalog keeps it."""
    return timed(daemon, "a dog on the beach")


def timed(daemon: RunningDaemon, text: str) -> float:
    started = time.perf_counter()
    daemon.post("/v1/search", {"text": text, "all": True})
    return time.perf_counter() - started


def figures(times_s: list[float]) -> tuple[str, str]:
    return f"{1000 * statistics.median(times_s):.0f}", f"{1000 * max(times_s):.0f}"


if __name__ == "__main__":
    main()
