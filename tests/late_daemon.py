"""`imgvecd` with the fast encoder, whose first scan ends while a status counts the files."""

import functools
import sys
import threading
import time

from imgvecd.cli.main import main
from imgvecd.core.watch import disk_calls, listing
from imgvecd.daemon import library_counts
from imgvecd.daemon.service import DaemonService
from imgvecd.processes import split_encoder
from imgvecd.processes.encoder_process import EncoderProcess

counted = threading.Event()
count, open_beneath = DaemonService._numbers, listing.open_beneath


def count_and_wait(self, fingerprint):
    """Return what was counted before the scan went on, once the scan has ended."""
    numbers = count(self, fingerprint)
    if self._engine.generation is not None:
        counted.set()
        while self._reconciler.behind:
            time.sleep(0.01)
    return numbers


def open_late(*arguments):
    counted.wait()
    return open_beneath(*arguments)


if __name__ == "__main__":
    DaemonService._numbers = count_and_wait
    library_counts._REST = 1e9  # while there is work, figures of a while ago are given
    listing.open_beneath = open_late
    disk_calls.STALL_S = 86_400.0
    split_encoder.runs_on_processor = lambda _config: False  # one encoder, for texts too
    split_encoder.EncoderProcess = functools.partial(EncoderProcess, module="fast_encoder")
    sys.exit(main())
