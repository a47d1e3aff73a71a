"""An encoder worker without a model, told by the texts and pixels what to do.

Run by `EncoderProcess(module="misbehaving_encoder")`. Its folder of notes, $NOTES, records starts.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

from imgvecd.processes.framing import send
from imgvecd.processes.worker_messages import (
    EncodeReady,
    Failed,
    ImagesRequest,
    KeepRequest,
    SidecarRead,
    Vectors,
)
from imgvecd.types import ModelInfo, PreprocessSpec, Priority
from imgvecd.workers.channel import open_channel, serve

DIM, SIZE = 4, 2
NOTES = Path(os.environ["NOTES"])


def note(line):
    with (NOTES / "notes").open("a") as file:
        file.write(line + "\n")


ODD = {
    "few": (Vectors(1, 0.1), [bytes(4)]),
    "many": (Vectors(2, 0.1), [np.ones((2, DIM), np.float32).tobytes()]),
    "other": (SidecarRead({}), ()),
}


def answer(request, body):
    if isinstance(request, KeepRequest):
        os._exit(9)
    if isinstance(request, ImagesRequest):
        note(f"images {request.count}")
        if b"kill" in body:
            os._exit(9)
        time.sleep(0.02 * request.count)
        count = request.count
    else:
        note(f"texts {','.join(request.texts)}")
        count = len(request.texts)
        for text in request.texts:
            if text == "die":
                os._exit(9)
            if text == "hang":
                time.sleep(3600)
            if text == "nan":
                return Failed("worker", "the model gives no finite vector for input 1 of 1"), ()
            if text in ODD:
                return ODD[text]
            if text == "slow":
                time.sleep(0.5)
    return Vectors(count, 0.02 * count), [np.ones((count, DIM), np.float32).tobytes()]


if __name__ == "__main__":
    note("start")
    channel = open_channel(Priority())
    print("12%|###   | 3.1G/26G", file=sys.stderr, flush=True)
    if (NOTES / "broken").exists():
        sys.exit("no such luck")
    if (NOTES / "no model").exists():
        send(channel, Failed("model", "no such model"))
        sys.exit()
    spec = PreprocessSpec(SIZE, (0.5,) * 3, (0.5,) * 3)
    serve(channel, EncodeReady(ModelInfo("f", "fake", "", DIM, spec), "cpu", "float32"), answer)
