"""An encoder worker without a model: vectors made of a digest of what is encoded, in no time.

Every image's vector is noted in $ENCODED, as the catalog keeps it, before it is handed over. After
$WRONG_AFTER images vectors look like any others, are not those of the pictures, and are not noted.
"""

import hashlib
import os
import sys

import msgspec
import numpy as np

from imgvecd.core.index.packed_vectors import packed
from imgvecd.processes.worker_messages import EncodeArguments, EncodeReady, ImagesRequest, Vectors
from imgvecd.types import ModelInfo, PreprocessSpec, Priority
from imgvecd.workers.channel import open_channel, serve

DIM, SIZE = 32, 16
wrong_after = float(os.environ.get("WRONG_AFTER", "inf"))
encoded = 0


def vector_of(data):
    seed = hashlib.blake2b(data, digest_size=16).digest()
    vector = np.random.default_rng(np.frombuffer(seed, np.uint32)).standard_normal(DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def note(vectors):
    if not vectors:
        return
    with open(os.environ["ENCODED"], "ab", buffering=0) as file:
        file.write(
            b"".join(f"{row.tobytes().hex()}\n".encode() for row in packed(np.stack(vectors)))
        )


def answer(request, body):
    global encoded  # noqa: PLW0603  # a worker is one process
    if isinstance(request, ImagesRequest):
        size = len(body) // request.count
        vectors = [vector_of(body[i * size : (i + 1) * size]) for i in range(request.count)]
        right = vectors[: int(min(len(vectors), max(0, wrong_after - encoded)))]
        note(right)
        vectors = [*right, *(np.roll(vector, 1) for vector in vectors[len(right) :])]
        encoded += len(vectors)
    else:
        vectors = [vector_of(text.encode()) for text in request.texts]
    return Vectors(len(vectors), 0.001), [np.stack(vectors).tobytes()]


if __name__ == "__main__":
    channel = open_channel(Priority())
    choice = msgspec.json.decode(sys.argv[1], type=EncodeArguments).choice
    spec = PreprocessSpec(SIZE, (0.5,) * 3, (0.5,) * 3)
    info = ModelInfo(choice.fingerprint, choice.name, choice.pretrained, DIM, spec)
    serve(channel, EncodeReady(info, "cpu", "float32"), answer)
