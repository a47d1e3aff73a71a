"""Whether two paths lead to one file, also where device and inode do not tell.

A FUSE mount, an overlay or a network share of oneself shows a file a second time under another
device and another inode.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import secrets
import struct

from imgvecd.types import Stamp

_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_STATX_FORCE_SYNC = 0x2000  # FUSE, NFS and SMB ask whoever has the file, not their cache
_STATX_BASIC_STATS = 0x7FF
_STATX_BTIME = 0x800
_STATX_BYTES = 256
_LONGEST_PATH = 4096
_MASK, _INODE, _BIRTH = (struct.Struct(each) for each in ("=I", "=32xQ", "=80xqI"))  # of it
_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.EPERM}  # an old kernel, or a sandbox
_DAY_S = 86_400
# Far from any real access. File systems that keep no more than the day (FAT) tell it as well.
_EARLIEST_DAY, _DAYS = 4_000, 7_000
_NS = 1_000_000_000
# Below the folder of a block device in sysfs: the file behind a loop device, or what a drive is
# called by itself, whichever way leads to it; then where on it the device begins.
_DRIVES = ("loop/backing_file", "device/wwid", "wwid")
_BEGINS = ("loop/offset", "start")


def fresh_stat(path: bytes) -> os.stat_result:
    """Return `os.lstat`, past every cache of attributes.

    Raises:
        OSError: as `os.lstat` does.
    """
    _statx(path)
    return os.lstat(path)


def fresh_stamp(path: bytes) -> Stamp:
    """Return the stamp of `fresh_stat`."""
    return Stamp.of(fresh_stat(path))


def is_one_file(path: bytes, other: bytes) -> bool:
    """Return whether both are one file: what is done to the first shows at the second.

    The file at `path` gets another time of access for a moment, which no reader minds. Where that
    is not permitted, only device and inode can tell; whoever moves the file looks again afterwards.
    Of one number and born in one nanosecond are files of a disk that is mounted by way of two
    devices, whose kernel knows nothing of the other, and of a snapshot, which will not stay. Where
    files have no birth (FAT, old ext), all that is on such a disk counts as one file.

    Raises:
        OSError: one of them is not there.
    """
    own, before = fresh_stat(path), fresh_stat(other)
    birth = _birth(path)
    if os.path.samestat(own, before) or (birth is not None and birth == _birth(other)):
        return True
    if own.st_dev != before.st_dev:
        disk = _disk(own.st_dev)
        if disk and disk == _disk(before.st_dev):
            return True
    day = _EARLIEST_DAY + secrets.randbelow(_DAYS)
    moment_s = day * _DAY_S + secrets.randbelow(_DAY_S)
    try:
        os.utime(path, ns=(moment_s * _NS, own.st_mtime_ns), follow_symlinks=False)
    except (OSError, NotImplementedError):
        return False
    try:
        after = fresh_stat(other)
    finally:
        with contextlib.suppress(OSError):
            os.utime(path, ns=(own.st_atime_ns, own.st_mtime_ns), follow_symlinks=False)
    told = abs(after.st_atime_ns // _NS - moment_s) <= _DAY_S
    return (told and after.st_atime_ns != before.st_atime_ns) or (
        after.st_ctime_ns != before.st_ctime_ns
    )


def _disk(device: int) -> tuple[str, ...]:
    """Return what the part of a disk is known by that a file system is on; () if nothing tells."""
    folder = f"/sys/dev/block/{os.major(device)}:{os.minor(device)}"
    whole = f"{folder}/.." if os.path.exists(f"{folder}/partition") else folder
    drive = next(filter(None, (_told(f"{whole}/{name}") for name in _DRIVES)), "")
    return (drive, *(_told(f"{folder}/{name}") for name in _BEGINS)) if drive else ()


def _told(path: str) -> str:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return os.fsdecode(file.read(_LONGEST_PATH)).strip()
    return ""


def _birth(path: bytes) -> tuple[int, int, int] | None:
    """Return (inode, second, nanosecond) of when the file was made; None if nothing tells."""
    told = _statx(path)
    if told is None or not _MASK.unpack_from(told)[0] & _STATX_BTIME:
        return None
    (inode,), (second, nanosecond) = _INODE.unpack_from(told), _BIRTH.unpack_from(told)
    return inode, second, nanosecond


def _statx(path: bytes) -> bytes | None:
    """Return `struct statx`, past every cache of attributes; None where there is no such call.

    Raises:
        OSError: as `os.lstat` does.
    """
    statx = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)
    if statx is None:
        return None
    buffer = ctypes.create_string_buffer(_STATX_BYTES)
    flags = _AT_SYMLINK_NOFOLLOW | _AT_STATX_FORCE_SYNC
    if statx(_AT_FDCWD, path, flags, _STATX_BASIC_STATS | _STATX_BTIME, buffer) == 0:
        return buffer.raw
    code = ctypes.get_errno()
    if code not in _UNKNOWN:
        raise OSError(code, os.strerror(code), path)
    return None
