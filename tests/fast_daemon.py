"""`imgvecd` with the fast encoder in the model's place; everything else is the real thing.

Where $COMMITTED names a file, each content whose embedding is committed is noted there by its id.
Servers are compared with what is known every $CHECKED_EVERY images.
"""

import functools
import os
import sys

from imgvecd.catalog.work.work_queue import WorkTable
from imgvecd.cli.main import main
from imgvecd.processes import split_encoder
from imgvecd.processes.encoder_process import EncoderProcess

commit_embeddings = WorkTable.commit_embeddings


def commit_and_note(self, fingerprint, encoded, *arguments, **named):
    clock = commit_embeddings(self, fingerprint, encoded, *arguments, **named)
    with open(os.environ["COMMITTED"], "a") as notes:
        notes.writelines(f"{content_id}\n" for content_id, _ in encoded)
    return clock


if __name__ == "__main__":
    split_encoder.runs_on_processor = lambda _config: False  # one encoder, for texts too
    split_encoder.EncoderProcess = functools.partial(EncoderProcess, module="fast_encoder")
    if "CHECKED_EVERY" in os.environ:
        from imgvecd.remote import http_encoder

        http_encoder._CHECKED_EVERY = int(os.environ["CHECKED_EVERY"])
    if "COMMITTED" in os.environ:
        WorkTable.commit_embeddings = commit_and_note
    sys.exit(main())
