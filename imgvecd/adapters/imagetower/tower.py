"""The image tower of a CLIP model, and the folder that it is kept in.

The folder holds OpenVINO's two files of the tower, from bytes of pixels to embeddings, and what
they do not say, with the embedding of a sample picture as the whole model makes it: a tower that
does not give the same is not used.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import time
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgvecd.adapters.imagetower.openvino_runtime import load_openvino
from imgvecd.adapters.imagetower.plain_products import use_plain_products
from imgvecd.core.files.durable import DurableFile, make_folder, open_file, read_whole
from imgvecd.core.library.runtime_choice import computes_avx2_at_best
from imgvecd.errors import ModelError
from imgvecd.json_bounds import UNDECODABLE
from imgvecd.types import Float32Array, ModelInfo

GRAPH, BINARY, FACTS = "tower.xml", "tower.bin", "tower.json"
_CLOSE = 0.9995  # cosine to the model, on the sample
_LEAST_NORM = np.float32(1e-6)  # of an embedding before normalisation: below, it points nowhere
_BLOCK_BYTES = 1 << 20
_LARGE_BYTES = 64 << 20  # of weights
# A single image is computed by one stream, and somebody may wait for it: so there are not many, and
# a single one where the first images take a core longer.
_MOST_STREAMS, _QUICK_S = 4, 1.5
# what is multiplied in int8 says so itself; the setting is for all else
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "int8": "int8"}


class TowerFacts(msgspec.Struct, frozen=True):
    """What the graph does not say.

    Attributes:
        precision: "fp32" or "bf16", that it was found to be as good as the model in, or "int8".
        sample: the model's embedding of `sample_pixels`; in int8 the tower's own.
        sizes, crc32: of graph and weights.
    """

    info: ModelInfo
    precision: str
    sample: list[float]
    sizes: tuple[int, int] = (0, 0)
    crc32: int = 0


class CompiledGraph:
    """A graph that is ready to run. Thread-safety: one thread at a time.

    A batch is shared out between streams. The threads of one stream wait for each other in every
    layer, and so for whatever holds up one of them, such as a decoder on its core.

    Args:
        graph: an `openvino.Model`, or the path of one.
        precision: "fp32", "bf16", or "int8" for a graph rewritten by `use_eight_bits`.
        threads: of the processor; 0 takes every core.
        most_streams: so many at the most; the threads are shared out between them.

    Raises:
        ModelError: OpenVINO does not run here.
        RuntimeError: it cannot run the graph.
    """

    def __init__(
        self, graph: object, precision: str, threads: int = 0, most_streams: int = 1
    ) -> None:
        threads = threads or len(os.sched_getaffinity(0))
        streams = threads // math.ceil(threads / most_streams)
        settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": streams,
            "ENABLE_CPU_PINNING": False,  # decoders run on these cores, too
        }
        core = load_openvino().Core()
        # for a single image oneDNN lays out weights anew: on AVX2 twice the memory, for good
        self._least = 2
        if precision == "fp32" and isinstance(graph, str) and computes_avx2_at_best():
            graph = core.read_model(graph)
            use_plain_products(graph)
            self._least = 1
        compiled = core.compile_model(graph, "CPU", settings)
        self.streams = streams
        self._requests = [compiled.create_infer_request() for _ in range(streams)]

    def encode_images(self, pixels: NDArray[np.uint8]) -> Float32Array:
        """See `ImageTower.encode_images`."""
        requests = self._requests[: math.ceil(len(pixels) / self._least)]
        parts = np.array_split(pixels, len(requests))
        for request, part in zip(requests, parts, strict=True):
            request.start_async([part if len(part) >= self._least else np.repeat(part, 2, axis=0)])
        found = []
        for request, part in zip(requests, parts, strict=True):
            request.wait()
            found.append(request.get_output_tensor(0).data[: len(part)])
        rows = np.concatenate(found)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.where(lengths > _LEAST_NORM, rows / np.maximum(lengths, _LEAST_NORM), np.nan)


class ImageTower:
    """Encodes images. Thread-safety: one thread at a time.

    Args:
        directory: with graph and weights.
        threads: of the processor; 0 takes every core.

    Attributes:
        info: of the whole model.
        runtime, device, dtype: what it computes with, on and in.
        sample: its embedding of `sample_pixels`, shape (dim,).
        streams: that share out a batch.

    Raises:
        ModelError: the graph cannot be used.
    """

    runtime = "openvino"
    device = "cpu"

    def __init__(self, info: ModelInfo, precision: str, directory: str, threads: int = 0) -> None:
        self.info = info
        self.dtype = _DTYPES[precision]
        compiled = partial(CompiledGraph, os.path.join(directory, GRAPH), precision, threads)
        try:
            self._compiled = compiled(_MOST_STREAMS)
            started = time.process_time()
            (self.sample,) = self.encode_images(sample_pixels(info.preprocess.size))
            if self._compiled.streams > 1 and time.process_time() - started > _QUICK_S:
                self._compiled = compiled()
            self.streams = self._compiled.streams
        except (RuntimeError, ValueError) as error:
            raise ModelError(f"the image tower cannot be used: {error}") from error

    @classmethod
    def read(cls, directory: str, threads: int = 0) -> ImageTower:
        """Return the tower in a folder that was completed by `write_facts`.

        Raises:
            ModelError: it holds no tower, or one that gives something else than the model did.
        """
        facts = _read(directory)
        tower = cls(facts.info, facts.precision, directory, threads)
        likeness = float(tower.sample @ np.array(facts.sample, np.float32))
        if not likeness > _CLOSE:  # nor is NaN
            raise ModelError(f"the image tower is not as the model was: cosine {likeness:.5f}")
        return tower

    def encode_images(self, pixels: NDArray[np.uint8]) -> Float32Array:
        """Return embeddings, shape (n, dim); a row that is no direction is NaN.

        Args:
            pixels: shape (n, size, size, 3), RGB.
        """
        return self._compiled.encode_images(pixels)


def sample_pixels(size: int) -> NDArray[np.uint8]:
    """Return a picture whose embedding the folder carries, shape (1, size, size, 3)."""
    ramp = np.linspace(0, 255, size, dtype=np.uint8)
    red, green = np.meshgrid(ramp, ramp)
    return np.stack([red, green, red ^ green], axis=-1)[None]


def write_facts(directory: str, facts: TowerFacts) -> None:
    """Write what makes graph and weights, which lie in the folder, a tower.

    Raises:
        OSError: it cannot be written.
    """
    sizes, crc32 = _checked(directory)
    whole = msgspec.structs.replace(facts, sizes=sizes, crc32=crc32)
    with DurableFile(os.path.join(directory, FACTS), parsed=True) as file:
        file.write(msgspec.json.encode(whole))


def save_graph(graph: Any, directory: str, weight_bytes: int) -> None:  # noqa: ANN401  # OpenVINO has no types
    """Write graph and weights of an `openvino.Model` into the folder.

    Args:
        weight_bytes: in fp32; those of larger towers are kept as float16, as those of texts are.
    """
    path = os.path.join(directory, GRAPH)
    load_openvino().save_model(graph, path, compress_to_fp16=weight_bytes > _LARGE_BYTES)


@contextlib.contextmanager
def replaced_folder(directory: str) -> Iterator[str]:
    """Yield a new folder, which takes the place of `directory` unless an error is raised."""
    work = f"{directory}.{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    make_folder(os.path.dirname(work))
    make_folder(work)
    try:
        yield work
        shutil.rmtree(directory, ignore_errors=True)
        os.rename(work, directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _read(directory: str) -> TowerFacts:
    try:
        facts = msgspec.json.decode(read_whole(os.path.join(directory, FACTS)), type=TowerFacts)
        is_whole = _checked(directory) == (facts.sizes, facts.crc32)
    except OSError as error:
        raise ModelError(f"{directory} cannot be read: {error.strerror}") from error
    except UNDECODABLE as error:
        raise ModelError(f"{directory} is of another version: {error}") from error
    if not is_whole or facts.precision not in _HINTS:
        raise ModelError(f"{directory} is damaged")
    return facts


def _checked(directory: str) -> tuple[tuple[int, int], int]:
    """Return sizes and CRC-32 of graph and weights: 0.1 s for ViT-B-32."""
    sizes, crc, block = [], 0, memoryview(bytearray(_BLOCK_BYTES))
    for name in (GRAPH, BINARY):
        path = os.path.join(directory, name)
        with open_file(path) as file:
            size = 0
            while count := file.readinto(block):
                size += count
                crc = zlib.crc32(block[:count], crc)
            sizes.append(size)
    return (sizes[0], sizes[1]), crc


def precisions(wanted: str, *, computes_bf16: bool) -> tuple[str, ...]:
    """Return what to try, the fastest first, for a setting of `encode.precision`."""
    if wanted == "auto":
        return ("bf16", "fp32") if computes_bf16 else ("fp32",)
    return (wanted,) if wanted in {"fp32", "bf16"} else ()
