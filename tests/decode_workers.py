"""The decode workers of a pool in this process, and not the daemons that other tests have here."""

import contextlib

import psutil


def decode_workers():
    return [child for child in psutil.Process().children() if _decodes(child)]


def _decodes(process):
    with contextlib.suppress(psutil.Error):  # it has ended
        return "imgvecd.workers.decode" in process.cmdline()
    return False
