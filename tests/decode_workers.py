"""The decode workers of a pool in this process, and not the daemons that other tests have here."""

import psutil


def decode_workers():
    children = psutil.Process().children()
    return [child for child in children if "imgvecd.workers.decode" in child.cmdline()]
