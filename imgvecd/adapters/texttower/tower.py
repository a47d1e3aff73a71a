"""The text tower of a CLIP model, and the file that it is kept in.

The file is a safetensors file with open_clip's names for the weights, the tokenizer's merges, and
the embedding of a sample text as the whole model makes it: a tower that does not give the same is
not used. It is mapped, so weights in float32 are computed with where they lie; those of which a
text needs a few rows, and those of large models, are in float16.
"""

from __future__ import annotations

import itertools
import mmap
import os
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from imgvecd.adapters.texttower.layers import Block, EqualTexts, Linear, Norm, gelu, quick_gelu
from imgvecd.adapters.texttower.tokens import Tokens
from imgvecd.core.files.durable import DurableFile, make_folder, open_at_once
from imgvecd.errors import ModelError
from imgvecd.json_bounds import UNDECODABLE
from imgvecd.types import Float32Array, ModelInfo

Arrays: TypeAlias = Mapping[str, NDArray[Any]]

SAMPLE = "a photo of a dog"
"""Text whose embedding the file carries as `sample`."""

PARTS = (
    "token_embedding.",
    "positional_embedding",
    "transformer.",
    "ln_final.",
    "text_projection",
)
"""How the names of its weights begin."""

_METADATA = "imgvecd"
_TOKENS = "token_embedding.weight"
_LARGE_BYTES = 256 << 20  # of weights beside that: twice on disk is then more than a start is worth
_LENGTH_BYTES = 8  # of a safetensors file's header
_TYPES = {"F32": "<f4", "F16": "<f2", "U8": "u1"}
_TYPE_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_CLOSE = 0.9999  # cosine; weights in float16 leave it above 0.99999


class Facts(msgspec.Struct, frozen=True):
    """What the weights do not say.

    Attributes:
        heads: of each attention.
        context: most tokens of a text.
        quick: uses OpenAI's approximation of GELU.
        epsilon: of the normalisations.
        crc32: see `checksum`.
    """

    info: ModelInfo
    heads: int
    context: int
    quick: bool
    epsilon: float
    crc32: int


class TextTower:
    """Encodes texts. Thread-safety: one thread at a time.

    Args:
        arrays: the weights and `merges`.

    Attributes:
        info: of the whole model.
        sample: the embedding of `SAMPLE`.
        runtime, device, dtype: what it computes with, on and in.

    Raises:
        ModelError: they make no tower.
    """

    runtime = "numpy"
    device = "cpu"
    dtype = "float32"

    def __init__(self, arrays: Arrays, facts: Facts) -> None:
        self.info = facts.info
        self._facts = facts
        try:
            self._tokens = Tokens(arrays["merges"].tobytes().decode(), facts.context)
            self._embedding = arrays[_TOKENS]
            self._positions = _plain(arrays, "positional_embedding")
            self._blocks = [self._block(arrays, prefix) for prefix in _blocks(arrays)]
            self._norm = self._norm_of(arrays, "ln_final")
            self._projection = _plain(arrays, "text_projection")
            self.sample = self.encode_texts([SAMPLE])[0]
        except (KeyError, ValueError, IndexError) as error:
            raise ModelError(f"the file is not a text tower: {error!r}") from error

    def require_like(self, sample: Float32Array) -> None:
        """Raise ModelError unless the sample's embedding is this one."""
        likeness = float(self.sample @ sample)
        if not likeness > _CLOSE:  # nor is NaN
            raise ModelError(f"the text tower is not as the model was: cosine {likeness:.5f}")

    @classmethod
    def read(cls, path: str) -> TextTower:
        """Return the tower in a file.

        Raises:
            ModelError: there is none, or one that gives something else than the model did.
        """
        try:
            arrays, metadata = _mapped(path)
            facts = msgspec.json.decode(metadata[_METADATA], type=Facts)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{path} cannot be read: {error}") from error
        except UNDECODABLE as error:
            raise ModelError(f"{path} is of another version: {error}") from error
        with ThreadPoolExecutor(1) as beside:  # it reads all of the file, and keeps no lock
            checked = beside.submit(checksum, arrays)
            tower = cls(arrays, facts)
            if checked.result() != facts.crc32:
                raise ModelError(f"{path} is damaged")
        tower.require_like(arrays["sample"])
        return tower

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        """Return embeddings, shape (n, dim); a row that is no direction is NaN."""
        tokens = self._tokens(texts)
        # attention looks back only: what stands behind a text's end, whose id is the highest,
        # changes nothing, and is left out
        lengths = tokens.argmax(axis=1) + 1
        order = np.argsort(lengths, kind="stable")
        groups, parts = [], []
        for length in np.unique(lengths):
            same = tokens[lengths == length, :length]
            groups.append(EqualTexts(len(same), int(length)))
            embedded = self._embedding[same].astype(np.float32) + self._positions[:length]
            parts.append(embedded.reshape(-1, embedded.shape[-1]))
        x = np.concatenate(parts)
        for block in self._blocks:
            x = block(x, groups)
        ends = x[np.cumsum(lengths[order]) - 1]
        vectors = np.empty((len(texts), self._projection.shape[1]), np.float32)
        vectors[order] = self._norm(ends) @ self._projection
        with np.errstate(invalid="ignore"):
            return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def _block(self, arrays: Arrays, prefix: str) -> Block:
        def linear(weight: str, bias: str) -> Linear:
            return Linear(_plain(arrays, prefix + weight), _plain(arrays, prefix + bias))

        return Block(
            self._norm_of(arrays, prefix + "ln_1"),
            linear("attn.in_proj_weight", "attn.in_proj_bias"),
            linear("attn.out_proj.weight", "attn.out_proj.bias"),
            self._norm_of(arrays, prefix + "ln_2"),
            linear("mlp.c_fc.weight", "mlp.c_fc.bias"),
            linear("mlp.c_proj.weight", "mlp.c_proj.bias"),
            quick_gelu if self._facts.quick else gelu,
            self._facts.heads,
        )

    def _norm_of(self, arrays: Arrays, name: str) -> Norm:
        weight, bias = _plain(arrays, f"{name}.weight"), _plain(arrays, f"{name}.bias")
        return Norm(weight, bias, self._facts.epsilon)


def checksum(arrays: Arrays) -> int:
    """Return a CRC-32 of all arrays: 50 ms for ViT-B-32, a third of what a digest takes."""
    crc = 0
    for name in sorted(arrays):
        crc = zlib.crc32(np.ascontiguousarray(arrays[name]).data, crc)
    return crc


def write(arrays: Arrays, facts: Facts, path: str) -> None:
    """Write the file that `TextTower.read` reads; `arrays` hold `sample`, too.

    Raises:
        OSError: it cannot be written.
    """
    # the widest items first, so that each array lies at a multiple of the width of its own
    names = sorted(arrays, key=lambda name: -arrays[name].dtype.itemsize)
    header: dict[str, Any] = {"__metadata__": {_METADATA: msgspec.json.encode(facts).decode()}}
    end = 0
    for name in names:
        array, begin = arrays[name], end
        end += array.nbytes
        kind = _TYPE_NAMES[array.dtype]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": (begin, end)}
    told = msgspec.json.encode(header)
    told += b" " * (-len(told) % _LENGTH_BYTES)
    make_folder(os.path.dirname(path))
    with DurableFile(path, parsed=True, proven=False) as file:
        file.write(len(told).to_bytes(_LENGTH_BYTES, "little") + told)
        for name in names:  # one by one: safetensors makes a copy of them all
            file.write(np.ascontiguousarray(arrays[name]).data.cast("B"))


def kept(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Return a model's arrays in the number formats that the file has them in."""
    weights = {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
    beside_tokens = sum(4 * array.size for name, array in weights.items() if name != _TOKENS)
    small = set(weights) if beside_tokens > _LARGE_BYTES else {_TOKENS}
    plain = {name: array.astype(np.float32, copy=False) for name, array in weights.items()}
    return {**arrays, **plain, **{name: weights[name].astype(np.float16) for name in small}}


def _plain(arrays: Arrays, name: str) -> Float32Array:
    return arrays[name].astype(np.float32, copy=False)


def _mapped(path: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays in a safetensors file, and its metadata; raises ValueError for any other.

    safetensors itself copies what it reads.
    """
    with open(path, "rb", opener=open_at_once) as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    begin = _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")
    header = msgspec.json.decode(data[_LENGTH_BYTES:begin], type=dict[str, Any])
    metadata = header.pop("__metadata__")
    arrays = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        dtype = np.dtype(_TYPES[entry["dtype"]])
        count = (end - start) // dtype.itemsize
        flat = np.frombuffer(data, dtype, count, begin + start)
        arrays[name] = flat.reshape(entry["shape"])
    return arrays, metadata


def _blocks(arrays: Arrays) -> list[str]:
    prefixes = (f"transformer.resblocks.{i}." for i in itertools.count())
    return list(itertools.takewhile(lambda prefix: f"{prefix}ln_1.weight" in arrays, prefixes))
