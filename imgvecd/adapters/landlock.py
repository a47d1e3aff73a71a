"""Landlock: files and networks that this process may not reach any more (landlock(7), Linux 5.13).

Three system calls; the package of that name on PyPI was never finished.
"""

from __future__ import annotations

import ctypes
import os
import sys

_CREATE, _RESTRICT = 444, 446  # on every architecture; asm-generic/unistd.h
_VERSION = 1  # flag of the first call: which ABI the kernel has
# Rights that a ruleset takes away, and the ABI since which the kernel knows them; linux/landlock.h.
_EXECUTE, _WRITE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_CHANGES = 0b1_1111_1111_0000  # of folders: removing and making what lies in them
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_SINCE = ((1, _EXECUTE | _WRITE | _READ_FILE | _READ_FOLDER | _CHANGES), (2, _REFER), (3, _TRUNCATE), (5, _IOCTL))  # noqa: E501 # fmt: skip
_READING = _READ_FILE | _READ_FOLDER | _IOCTL
_TCP, _TCP_SINCE = 0b11, 4  # bind and connect
_SCOPES, _SCOPES_SINCE = 0b11, 6  # abstract Unix sockets and signals to processes outside


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def abi() -> int:
    """Return which version of Landlock the kernel has; 0 if it has none, or it is switched off."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)))


def restrict(*, reading: bool, writing: bool = False) -> int:
    """Deny this process every path and TCP from now on; return the ABI in force.

    What is open stays open; what other processes hold in memory is out of reach. The process must
    have given up new privileges.

    Args:
        reading: whether files may still be read.
        writing: whether they may be changed, too; programs are never run.

    Raises:
        OSError: the kernel has no Landlock, or refuses.
    """
    version = abi()
    files = 0
    for since, rights in _SINCE:
        files |= rights if version >= since else 0
    ruleset = _Ruleset(
        _EXECUTE if writing else files & ~_READING if reading else files,
        _TCP if version >= _TCP_SINCE else 0,
        _SCOPES if version >= _SCOPES_SINCE else 0,
    )
    # an older kernel wants an older, shorter structure, or zeros in the rest of it
    libc = _libc()
    descriptor = libc.syscall(
        _CREATE, ctypes.byref(ruleset), ctypes.c_size_t(ctypes.sizeof(ruleset)), 0
    )
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    try:
        if libc.syscall(_RESTRICT, descriptor, 0) != 0:
            code = ctypes.get_errno()
            raise OSError(code, f"Landlock: {os.strerror(code)}")
    finally:
        os.close(descriptor)
    return int(version)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
