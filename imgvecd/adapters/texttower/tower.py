"""The text tower of a CLIP model, and the file that it is kept in.

The file is a safetensors file with open_clip's names for the weights (as float16), the tokenizer's
merges, and the embedding of a sample text as the whole model makes it: a tower that does not give
the same is not used.
"""

from __future__ import annotations

import itertools
import os
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from imgvecd.adapters.texttower.layers import Block, Linear, Norm, gelu, quick_gelu
from imgvecd.adapters.texttower.tokens import Tokens
from imgvecd.core.files.durable import DurableFile
from imgvecd.errors import ModelError
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
            self._embedding = arrays["token_embedding.weight"]
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
            with safetensors.safe_open(path, framework="numpy") as file:
                facts = msgspec.json.decode(file.metadata()[_METADATA], type=Facts)
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
        except (OSError, KeyError, TypeError, safetensors.SafetensorError) as error:
            raise ModelError(f"{path} cannot be read: {error}") from error
        except msgspec.MsgspecError as error:
            raise ModelError(f"{path} is of another version: {error}") from error
        if checksum(arrays) != facts.crc32:
            raise ModelError(f"{path} is damaged")
        tower = cls(arrays, facts)
        tower.require_like(arrays["sample"])
        return tower

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        """Return embeddings, shape (n, dim); a row that is no direction is NaN."""
        tokens = self._tokens(texts)
        n, length = tokens.shape
        x = self._embedding[tokens].astype(np.float32) + self._positions[:length]
        # attention looks back only: what stands behind a text's end changes nothing
        mask = np.triu(np.full((length, length), -np.inf, np.float32), 1)
        for block in self._blocks:
            x = block(x, mask)
        ends = x[np.arange(n), tokens.argmax(axis=1)]  # of all ids the end's is the highest
        vectors = self._norm(ends) @ self._projection
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
    metadata = {_METADATA: msgspec.json.encode(facts).decode()}
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    with DurableFile(path, parsed=True) as file:
        file.write(safetensors.numpy.save(dict(arrays), metadata))


def _plain(arrays: Arrays, name: str) -> Float32Array:
    return arrays[name].astype(np.float32)


def _blocks(arrays: Arrays) -> list[str]:
    prefixes = (f"transformer.resblocks.{i}." for i in itertools.count())
    return list(itertools.takewhile(lambda prefix: f"{prefix}ln_1.weight" in arrays, prefixes))
