"""What the sandbox costs a picture: files opened in a thread and passed on, filtered system calls.

python -m benchmarks.sandbox_cost [--rounds N] PHOTO...

Compared with a worker without filters whose files are opened on the spot; rounds take turns, and
the median of their ratios counts, since other programs disturb single ones.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time
from collections.abc import Sequence

from benchmarks import history
from imgvecd.config.schema import DecodeConfig
from imgvecd.core.files.beneath import open_file
from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.types import PreprocessSpec

SPEC = PreprocessSpec(224, (0.5,) * 3, (0.5,) * 3)


class _OnTheSpot:
    async def descriptor(self, path: bytes) -> int:
        return open_file(path)


async def _seconds(pool: DecoderPool, files: Sequence[bytes]) -> float:
    started = time.perf_counter()
    for file in files:
        await pool.decode(file, None, SPEC)
    return time.perf_counter() - started


async def cost(files: Sequence[bytes], rounds: int) -> tuple[float, float]:
    """Return (ms a picture in the sandbox, median of its ratio to without)."""
    confined = DecoderPool(DecodeConfig(workers=1, idle_s=600))
    plain = DecoderPool(DecodeConfig(workers=1, idle_s=600), module="benchmarks.unconfined_decoder")
    plain._opening = _OnTheSpot()  # type: ignore[assignment]  # noqa: SLF001
    pools = [plain, confined]
    for pool in pools:
        await _seconds(pool, files)
    ratios, best = [], float("inf")
    for turn in range(rounds):
        seconds = {}
        for pool in pools if turn % 2 else reversed(pools):
            seconds[pool] = await _seconds(pool, files)
        ratios.append(seconds[confined] / seconds[plain])
        best = min(best, seconds[confined])
    for pool in pools:
        await pool.close()
    return 1000 * best / len(files), statistics.median(ratios)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("photos", nargs="+")
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    files = [os.fsencode(os.path.abspath(photo)) for photo in arguments.photos]
    each, ratio = asyncio.run(cost(files, arguments.rounds))
    print(f"{each:.2f} ms a picture in the sandbox, {ratio - 1:+.1%} of without it")
    history.record("sandbox_cost", {"ms a picture, confined": each, "of without it": ratio})


if __name__ == "__main__":
    main()
