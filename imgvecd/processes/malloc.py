"""How the C library's allocator behaves in a process: glibc's; elsewhere nothing happens."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator

# of glibc's <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8
_NEVER = 1 << 30


def use_one_heap() -> None:
    """Have all threads that are still to start allocate from one heap.

    glibc gives up to eight heaps for each core, and what is freed in one of them is of no use to
    the others: a daemon of 15 threads held 14 MB more after a minute, and grew by 34 MB an hour.
    The lock of a single one is no bottleneck, as Python's threads take turns anyway.
    """
    with _glibc() as libc:
        libc.mallopt(_M_ARENA_MAX, 1)


def keep_freed_memory() -> None:
    """Give back what is free now, and keep what is freed later for what is allocated next.

    glibc returns large blocks at once, and the kernel fills each new one with zeros, page by page:
    37 % of the time that imgvecd-mini takes for a batch (12.3 → 7.7 ms of a core an image). What
    is held is what a batch takes anyway, some 110 MB for 16 images there.
    """
    with _glibc() as libc:
        libc.malloc_trim(0)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)


@contextlib.contextmanager
def _glibc() -> Iterator[ctypes.CDLL]:
    """Yield the C library; another one than glibc lacks what is called."""
    with contextlib.suppress(OSError, AttributeError):
        yield ctypes.CDLL(None)
