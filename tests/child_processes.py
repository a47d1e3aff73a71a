"""The children of this process, of which any may end while it is looked at."""

import contextlib

import psutil


def children_with(words, *, recursive=False):
    """Return this process's children whose command line has `words`.

    Args:
        recursive: theirs, too, among which are the workers of daemons that other tests have here.
    """
    children = psutil.Process().children(recursive=recursive)
    return [child for child in children if _has(child, words)]


def mapped(name):
    """Return whether a child of this process has a library in memory."""
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it has ended
            if any(name in region.path for region in child.memory_maps()):
                return True
    return False


def _has(process, words):
    with contextlib.suppress(psutil.Error):  # it has ended
        return words in " ".join(process.cmdline())
    return False
