"""Somebody else swaps a folder for a link, again and again: nothing from outside is ever known."""

import asyncio
import contextlib
import ctypes
import os
import sys
import threading

import pytest
from watching import watching

from imgvecd.config.schema import WatchConfig

AT_FDCWD, RENAME_EXCHANGE = -100, 2
ROUNDS = 15


def exchange(one, other):
    libc = ctypes.CDLL(None, use_errno=True)
    paths = (os.fsencode(one), os.fsencode(other))
    if libc.renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is Linux's")
@pytest.mark.parametrize("deep", [False, True])
async def test_nothing_outside_is_known(tmp_path, deep):
    below = "x/y" if deep else "."
    for folder in ("root/a", "outside"):
        (tmp_path / folder / below).mkdir(parents=True)
    for number in range(20):
        (tmp_path / "root" / "a" / below / f"in-{number}.jpg").write_bytes(b"inside %d" % number)
        (tmp_path / "outside" / below / f"out-{number}.jpg").write_bytes(b"outside %d" % number)
    (tmp_path / "root" / "l").symlink_to(tmp_path / "outside")
    try:
        exchange(tmp_path / "root" / "a", tmp_path / "root" / "l")
    except OSError:
        pytest.skip("the file system exchanges no names")
    done = threading.Event()

    def swap():
        while not done.wait(0.001):
            exchange(tmp_path / "root" / "a", tmp_path / "root" / "l")

    swapping = threading.Thread(target=swap)
    seen = set()
    watch = WatchConfig(poll_interval_s=0.1, settle_ms=0)
    async with watching(str(tmp_path / "state"), str(tmp_path / "root"), watch=watch) as watched:
        swapping.start()
        try:
            for _ in range(ROUNDS):
                changes = watched.changes
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.2):
                        while watched.changes == changes:
                            await asyncio.sleep(0.005)
                seen |= watched.files().keys()
        finally:
            done.set()
            swapping.join()
        if (tmp_path / "root" / "a").is_symlink():
            exchange(tmp_path / "root" / "a", tmp_path / "root" / "l")
        await watched.reconciler.rescan()
        assert len(watched.files()) == 20
    assert not {path for path in seen if "out-" in path}
