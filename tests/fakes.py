"""Fakes behind the protocols, for unit tests only: quick, predictable, and able to misbehave."""

import asyncio
import hashlib
import os

import numpy as np

from imgvecd.errors import ModelError, NotFetchedError, UnreadableImageError, WorkerError
from imgvecd.types import DecodedImage, ImageInfo, ModelInfo, Pixels, PreprocessSpec, Stamp

DIM = 16
MODEL = ModelInfo("fake-1", "fake", "", DIM, PreprocessSpec(4, (0.5,) * 3, (0.5,) * 3))


def vector_of(data: bytes) -> np.ndarray:
    """Return the unit vector that the fake encoder gives these bytes."""
    seed = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())
    vector = np.random.default_rng(seed).normal(size=DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


class FakeDecoder:
    """A file's "pixels" are its bytes before any `|`. Files that begin with `bad` are damaged."""

    def __init__(self):
        self.decoded = []
        self.at_once = 0
        self.most_at_once = 0
        self.dead = False
        self.bad_sectors = set()  # paths that are not to be read
        self.gate = asyncio.Event()
        self.gate.set()

    async def decode(self, path, stamp, spec):
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
            if self.dead:
                raise WorkerError("no decoder can be started")
            if stamp is not None and (not os.path.exists(path) or Stamp.of(os.stat(path)) != stamp):
                raise UnreadableImageError("changed", "it changed")
            if path in self.bad_sectors:
                raise UnreadableImageError("unreadable", "Input/output error")
            with open(path, "rb") as file:
                data = file.read()
            self.decoded.append(path)
            return await self.decode_bytes(data, spec)
        finally:
            self.at_once -= 1

    async def decode_bytes(self, data, spec):
        if data.startswith(b"bad"):
            raise UnreadableImageError("damaged", "no picture in it")
        return DecodedImage(ImageInfo("jpeg", 4, 4), data.partition(b"|")[0])

    async def pixels(self, path, stamp, longest):
        decoded = await self.decode(path, stamp, MODEL.preprocess)
        return Pixels(len(decoded.pixels), 1, decoded.pixels)

    async def read_sidecar(self, path, stamp):
        with open(path, "rb") as file:
            data = file.read()
        if data.startswith(b"bad"):
            raise UnreadableImageError("damaged", "no XMP in it")
        return {"keywords": data.decode().split()}

    async def close(self):
        self.dead = True


class FakeRecogniser:
    """What stands in a picture after `says` is its text. `unreadable` ones are none to it."""

    longest = 100
    sandbox = ()

    def __init__(self, fingerprint="fake-reader-1"):
        self.fingerprint = fingerprint
        self.read_pictures = []
        self.dead = False

    async def read(self, pixels):
        if self.dead:
            raise WorkerError("no text recogniser can be started")
        self.read_pictures.append(pixels.data)
        if pixels.data.startswith(b"unreadable"):
            raise UnreadableImageError("crash", "reading text in it fails")
        return pixels.data.partition(b"says ")[2].decode()

    async def close(self):
        self.dead = True


class FakeEncoder:
    """Vectors by `vector_of`. Dies on images that begin with `poison`.

    Attributes:
        pauses_after: closes its gate after so many batches.
    """

    pauses_after = None
    loaded = loaded_for_images = True
    may_fetch = True
    error = None
    progress = ""
    batch = 4
    speed = None
    runtime_note = None
    sandbox = ()

    def __init__(self, model=MODEL):
        self.model = model
        self.gate = asyncio.Event()
        self.gate.set()
        self.batches = []
        self.asked = 0
        self.deaths = 0
        self.broken = False
        self.kept = True
        self.closed = False

    async def info(self):
        if not (self.kept or self.may_fetch):
            raise NotFetchedError("no model here")
        if self.broken:
            raise ModelError("no model")
        return self.model

    def expect_images(self):
        pass

    async def encode_images(self, pixels, lane):
        self.asked += 1
        while not self.gate.is_set():  # somebody before this may have closed it again
            await self.gate.wait()
        if self.broken:
            raise ModelError("no model")
        if any(data.startswith(b"poison") for data in pixels):
            self.deaths += 1
            raise WorkerError("the encoder died")
        self.batches.append(len(pixels))
        if len(self.batches) == self.pauses_after:
            self.gate.clear()
        return np.stack([vector_of(data) for data in pixels])

    async def encode_texts(self, texts, lane):
        # it understands that "cat", "a cat" and "a photo of a cat" mean the same
        said = [text.removeprefix("a photo of ").removeprefix("a ") for text in texts]
        return np.stack([vector_of(text.encode()) for text in said])

    async def close(self):
        self.closed = True
