"""Prints how long the first text query takes while the daemon is idle, with a ViT-B-32.

    python -m benchmarks.first_answer [--rounds 5] [--model ViT-B-32]

The weights are random, which takes as long as any. The photos are the project's own. "Idle" means
that no worker holds a model; the time is that of the whole exchange on the socket.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import open_clip
import safetensors.torch
import tabulate

from tests.running import RunningDaemon

_PHOTOS = Path(__file__).parents[1] / "tests" / "data" / "photos"
_IDLE_S = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default="ViT-B-32")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        checkpoint = work / "random.safetensors"
        model = open_clip.create_model(options.model)
        safetensors.torch.save_model(model, str(checkpoint))
        settings = {
            "model.name": options.model,
            "model.pretrained": checkpoint,
            "encode__idle_s": _IDLE_S,
        }
        daemon = RunningDaemon(work / "home", [_PHOTOS], settings)
        try:
            daemon.wait_until(daemon.is_idle)
            measure(daemon, options.rounds)
        finally:
            daemon.stop()


def measure(daemon: RunningDaemon, rounds: int) -> None:
    first, second, known = [], [], []
    for i in range(rounds):
        daemon.wait_until(lambda: not daemon.status()["model"]["loaded"])
        known.append(timed(daemon, "a dog on the beach") if i else timed_first(daemon))
        assert not i or not daemon.status()["model"]["loaded"]
        daemon.wait_until(lambda: not daemon.status()["model"]["loaded"])
        first.append(timed(daemon, f"a photo of {i} dogs on the beach at sunset"))
        second.append(timed(daemon, f"a photo of {i} cats in the garden"))
    rows = [
        ("new text, no model in memory", *figures(first)),
        ("the next new text", *figures(second)),
        ("known text, no model in memory", *figures(known[1:])),
    ]
    print(tabulate.tabulate(rows, ("query", "median ms", "worst ms")))


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
