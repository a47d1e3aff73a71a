"""Images per second through an encode server on this machine, beside the same encoder without one.

python -m benchmarks.encode_server [--model imgvecd-mini | ViT-B-32] [--rounds 5] [--images 256]

Both are measured in turns, TLS and token included, by wall time and by processor time of all
processes. Server, client and encoder share the cores here, so that TLS is counted against
encoding; on two machines it is not. The weights of ViT-B-32 are random, which takes as long.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import psutil

from benchmarks import history
from imgvecd.config.schema import Config, EncodeServerConfig, ModelConfig
from imgvecd.core.library.model_choice import EMBEDDED, ModelChoice, choose_model
from imgvecd.protocols import Encoder
from imgvecd.remote.http_encoder import HttpEncoder
from imgvecd.remote.reference_vectors import ReferenceVectors
from imgvecd.types import Lane
from imgvecd.wiring.parts import make_encoder
from tests.certificates import make_certificate

IN_FLIGHT = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default=EMBEDDED)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=256)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(Path(folder), options.model, options.rounds, options.images))


async def compare(folder: Path, name: str, rounds: int, count: int) -> None:
    """Print both rates of each round, and their ratio."""
    choice = choose_model(name if name == EMBEDDED else random_weights(folder, name))
    here = make_encoder(choice, Config(), str(folder / "here"))
    size = (await here.info()).preprocess.size
    rng = np.random.default_rng(1)
    pixels = [rng.bytes(size * size * 3) for _ in range(count)]
    async with served(folder, choice) as there:
        await settle(here, there, pixels)
        ratios = []
        for _ in range(rounds):
            local = await measure(here, 16, pixels, 1)
            remote = await measure(there, there.batch, pixels, IN_FLIGHT)
            ratios.append((remote[0] / local[0], local[1] / remote[1]))
            print(
                f"{name}: here {local[0]:.1f}/s, {local[1]:.1f} ms of a core each; "
                f"there {remote[0]:.1f}/s, {remote[1]:.1f} ms: {ratios[-1][0]:.1%} of the rate, "
                f"{ratios[-1][1]:.1%} by processor time",
                flush=True,
            )
        vectors = await here.encode_images(pixels[:16], Lane.BULK)
        others = await there.encode_images(pixels[:16], Lane.BULK)
        cosines = (vectors * others).sum(axis=1)
        rate, processor = (statistics.median(column) for column in zip(*ratios, strict=True))
        print(f"median {rate:.1%}, {processor:.1%} by processor time")
        print(f"lowest cosine {cosines.min():.6f}")
    figures = {"share of the rate here": rate, "by processor time": processor}
    history.record("encode_server", {f"{name}, {what}": share for what, share in figures.items()})
    await here.close()


async def settle(here: Encoder, there: HttpEncoder, pixels: Sequence[bytes]) -> None:
    """Encode until both have the runtime and the batches that they like."""
    await there.ready()
    for _ in range(2):
        await measure(here, 16, pixels, 1)
        await measure(there, there.batch, pixels, IN_FLIGHT)
        await asyncio.sleep(30)  # both convert their towers once nothing is to be encoded


async def measure(
    encoder: Encoder | HttpEncoder, batch: int, pixels: Sequence[bytes], in_flight: int
) -> tuple[float, float]:
    """Return images per second, and milliseconds of processor time an image, of all processes."""
    batches = iter([pixels[at : at + batch] for at in range(0, len(pixels), batch)])

    async def work() -> None:
        for some in batches:
            await encoder.encode_images(some, Lane.BULK)

    began, used = time.perf_counter(), processor_time()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    wall, used = time.perf_counter() - began, processor_time() - used
    return len(pixels) / wall, 1000 * used / len(pixels)


def processor_time() -> float:
    """Return what this process and all below it have used, in seconds."""
    total = 0.0
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


@contextlib.asynccontextmanager
async def served(folder: Path, choice: ModelChoice) -> AsyncIterator[HttpEncoder]:
    """Yield the model on a server of this machine."""
    cert, token = folder / "cert.pem", folder / "token"
    server = await asyncio.to_thread(start_server, folder, choice)
    remote = None
    try:
        assert server.stdout is not None
        line = await asyncio.to_thread(server.stdout.readline)
        (port,) = re.findall(r":(\d+)$", line.strip())
        config = EncodeServerConfig(
            url=f"https://localhost:{port}", token_file=str(token), ca_file=str(cert)
        )
        reference = ReferenceVectors("", None)
        remote = HttpEncoder(config, choice.fingerprint, choice.name, reference)
        yield remote
    finally:
        if remote is not None:
            await remote.close()
        server.terminate()
        server.wait()


def start_server(folder: Path, choice: ModelChoice) -> subprocess.Popen[str]:
    """Return a server that has `cert.pem` and `token` in the folder."""
    cert, key = map(str, make_certificate(folder))
    model = f"{choice.name}={choice.checkpoint_path}" if choice.name != EMBEDDED else EMBEDDED
    command = [sys.executable, "-m", "imgvecd.cli.main", "encode-server", "--listen"]
    command += ["127.0.0.1:0", "--tls-cert", cert, "--tls-key", key]
    command += ["--token-file", str(folder / "token"), "--model", model]
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "there")}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def random_weights(folder: Path, name: str) -> ModelConfig:
    """Return a model of that architecture whose weights nobody trained."""
    path = folder / "random.safetensors"
    code = (
        "import sys, open_clip, safetensors.torch as s; "
        "m = open_clip.create_model(sys.argv[1]); s.save_file(m.state_dict(), sys.argv[2])"
    )
    subprocess.run([sys.executable, "-c", code, name, path], check=True)
    return ModelConfig(name=name, pretrained=str(path))


if __name__ == "__main__":
    main()
