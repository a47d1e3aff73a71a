"""A state directory as a daemon with the embedded model leaves it: towers kept, no folder known.

Loading the whole model, converting it and encoding what relevance is measured against takes ten
seconds of a processor. Tests that are not about that start from a copy; the first one that asks
makes it, with the product's own parts, for all test processes of a run.
"""

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from imgvecd.catalog import Catalog, CatalogRecovery
from imgvecd.config.schema import Config
from imgvecd.core.library.model_choice import EMBEDDED, choose_model
from imgvecd.core.library.runtime_choice import RUNTIME_FILE
from imgvecd.core.search.reference_texts import REFERENCE_TEXTS
from imgvecd.types import Lane
from imgvecd.wiring.parts import make_encoder

FOLDER_VARIABLE = "KEPT_STATE"
"""Names the folder of this run, which exists and is deleted at its end: see `conftest`."""
MAKING_S = 240  # a slow machine under load


class KeptScratch(tempfile.TemporaryDirectory):
    """For `tempfile.TemporaryDirectory`: the database that is made in its `db` has its towers."""

    def __enter__(self):
        folder = super().__enter__()
        keep_state(Path(folder) / "db", catalog=False)
        return folder


def keep_state(state, *, catalog=True):
    """Fill the directory `state`, made if missing; nothing where the run keeps no such state.

    Args:
        catalog: with the catalog, which knows the model; else the towers alone.

    Returns: `state`.
    """
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is not None:
        kept = Path(folder) / "state"
        with open(Path(folder) / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                making = Path(folder) / "making"
                command = [sys.executable, __file__, making]
                subprocess.run(command, check=True, timeout=MAKING_S)
                making.rename(kept)
        left_out = shutil.ignore_patterns() if catalog else shutil.ignore_patterns("catalog*")
        shutil.copytree(kept, state, ignore=left_out, dirs_exist_ok=True)
    return state


async def make(state):
    choice = choose_model(EMBEDDED)
    encoder = make_encoder(choice, Config(), state)
    try:
        await encode(encoder, state)
        while not os.path.exists(
            os.path.join(state, "imagetower", choice.fingerprint, RUNTIME_FILE)
        ):
            await asyncio.sleep(0.05)
    finally:
        await encoder.close()


async def encode(encoder, state):
    """Have the parts of the model that were used keep themselves, and what texts gave."""
    model = await encoder.info()
    size = model.preprocess.size
    await encoder.encode_images([np.zeros((size, size, 3), np.uint8).tobytes()], Lane.BULK)
    vectors = await encoder.encode_texts(REFERENCE_TEXTS, Lane.BULK)
    recovery = CatalogRecovery(state)
    recovery.prepare()
    catalog = Catalog(state)
    catalog.models.activate([model])
    texts = dict(zip(REFERENCE_TEXTS, vectors, strict=True))
    catalog.searching.keep_texts(model.fingerprint, texts)
    catalog.close()
    recovery.write_checksum()


if __name__ == "__main__":
    os.umask(0o077)  # as the daemon has it
    os.makedirs(sys.argv[1])
    asyncio.run(make(sys.argv[1]))
