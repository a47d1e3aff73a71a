"""What a process holds of the machine's memory: on Linux with glibc; elsewhere nothing happens."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Iterator

# of glibc's <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -3, -4, -8
_LARGE_BYTES = 1 << 20
_NEVER = 1 << 30
# A runtime reads a gigabyte of weights a second: some 20 MB are in memory meanwhile.
_GIVEN_BACK_EVERY_S = 0.02
_MADV_DONTNEED = 4  # of Linux's <sys/mman.h>


def use_one_malloc_arena() -> None:
    """Have all threads that are still to start allocate from one heap.

    glibc gives up to eight heaps for each core, and what is freed in one of them is of no use to
    the others: a daemon of 15 threads held 14 MB more after a minute, and grew by 34 MB an hour.
    The lock of a single one is no bottleneck, as Python's threads take turns anyway.
    """
    with _glibc() as libc:
        libc.mallopt(_M_ARENA_MAX, 1)


def give_back_large_blocks() -> None:
    """Have what is large go back to the system as soon as it is freed.

    Once such a block was freed, glibc takes blocks up to that size from its heap, where those that
    are still in use keep all others: weights that are read, converted and laid out anew. Building
    the image tower of ViT-B-32 so held 400 MB that nobody used.
    """
    with _glibc() as libc:
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)


def give_back_free_memory() -> None:
    """Give back what is free now, also between what is in use, where glibc would keep it.

    The first search of a daemon with 200 images frees 20 MB again, of the 125 that it then held.
    """
    with _glibc() as libc:
        libc.malloc_trim(0)


def keep_freed_memory() -> None:
    """Give back what is free now, and keep what is freed later for what is allocated next.

    glibc returns large blocks at once, and the kernel fills each new one with zeros, page by page:
    37 % of the time that imgvecd-mini takes for a batch (12.3 → 7.7 ms of a core an image). What
    is held is what a batch takes anyway, some 110 MB for 16 images there.
    """
    give_back_free_memory()
    with _glibc() as libc:
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)


@contextlib.contextmanager
def giving_back_mapped(prefix: str) -> Iterator[None]:
    """Take pages of mapped files out of memory while and after a runtime makes its own copy.

    It lays weights out anew layer by layer, in its first inference, and holds on to the file that
    they came from: the image tower of ViT-B-32 so took 170 MB more than it needs.

    Args:
        prefix: with which the paths of the files begin; they are mapped for reading.
    """
    over = threading.Event()

    def give_back() -> None:
        while not over.wait(_GIVEN_BACK_EVERY_S):
            _give_back_mapped(prefix)

    thread = threading.Thread(target=give_back, name="give back mapped files")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        _give_back_mapped(prefix)


def _give_back_mapped(prefix: str) -> None:
    """Take pages out of memory until they are read again."""
    with contextlib.suppress(OSError), open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            place, mode, *_, name = line.split(maxsplit=5)
            if mode.startswith("r--") and name.startswith(prefix):
                begin, end = (int(address, 16) for address in place.split("-"))
                with _glibc() as libc:
                    length = ctypes.c_size_t(end - begin)
                    libc.madvise(ctypes.c_void_p(begin), length, _MADV_DONTNEED)


@contextlib.contextmanager
def _glibc() -> Iterator[ctypes.CDLL]:
    """Yield the C library; another one than glibc lacks what is called."""
    with contextlib.suppress(OSError, AttributeError):
        yield ctypes.CDLL(None)
