"""Images per second of decoding alone and of encoding alone, each as the daemon does it.

python -m benchmarks.throughput_parts PHOTO...
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks import history
from imgvecd.config.schema import DecodeConfig, EncodeConfig
from imgvecd.core.library.model_choice import EMBEDDED, choose_model
from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.types import Lane, PreprocessSpec

SPEC = PreprocessSpec(224, (0.5,) * 3, (0.5,) * 3)
WARM_UP = 64  # images that start the worker and find the right size of a step


def decode_rate(files: Sequence[bytes], workers: int = 0) -> float:
    """Return files per second through a pool of the default size, which has been started before."""

    async def measure() -> float:
        pool = DecoderPool(DecodeConfig(workers=workers))
        await asyncio.gather(*(pool.decode(files[0], None, SPEC) for _ in range(2 * pool.size)))
        started = time.perf_counter()
        await asyncio.gather(*(pool.decode(file, None, SPEC) for file in files))
        seconds = time.perf_counter() - started
        await pool.close()
        return len(files) / seconds

    return asyncio.run(measure())


def encode_rate(count: int = 512, batch: int = 16, model: str = EMBEDDED) -> float:
    """Return images per second through a warm encoder, in batches as ingestion sends them."""

    async def measure() -> float:
        encoder = EncoderProcess(choose_model(model), EncodeConfig())
        size = (await encoder.info()).preprocess.size
        rng = np.random.default_rng(1)
        pixels = [rng.bytes(size * size * 3) for _ in range(batch)]
        for _ in range(WARM_UP // batch):
            await encoder.encode_images(pixels, Lane.BULK)
        started = time.perf_counter()
        for _ in range(count // batch):
            await encoder.encode_images(pixels, Lane.BULK)
        seconds = time.perf_counter() - started
        await encoder.close()
        return count // batch * batch / seconds

    return asyncio.run(measure())


def main() -> None:
    files = [os.fsencode(path) for path in sys.argv[1:]]
    rates: dict[str, float] = {}
    if files:
        for workers in (1, 2, 0):
            part = f"decode alone, {workers or 'default'} workers"
            rates[part] = decode_rate(files, workers)
            print(f"{part}: {rates[part]:.1f} images/s", flush=True)
    part = f"encode alone, {EMBEDDED}"
    rates[part] = encode_rate()
    print(f"{part}: {rates[part]:.1f} images/s")
    history.record("throughput_parts", rates)


if __name__ == "__main__":
    main()
