"""Which system calls this process may still make: a filter that the kernel never takes off again.

A filter is a program for the kernel's small virtual machine (seccomp(2)), built here from a list of
names: the library for that, libseccomp, is on few machines, and no wheel has it.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2  # linux/prctl.h, seccomp.h
_SET_MODE_FILTER, _IN_ALL_THREADS = 1, 1  # linux/seccomp.h
# BPF_LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, ALU|AND|K, RET|K
_LOAD, _EQUAL, _FROM, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16  # in `struct seccomp_data`
_HALF = 0xFFFFFFFF  # of an argument is looked at in one step
_X32 = 0x40000000  # from here on x86-64 has all calls once more, under numbers of their own

_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # linux/audit.h
# Names → numbers on x86-64 and arm64; asm/unistd_64.h and asm-generic/unistd.h. -1: not there.
_CALLS = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "poll": (7, -1),
    "lseek": (8, 62), "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215),
    "brk": (12, 214), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "rt_sigqueueinfo": (129, 138), "tkill": (200, 130),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424), "ioctl": (16, 29),
    "pread64": (17, 67), "readv": (19, 65),
    "writev": (20, 66), "sched_yield": (24, 124), "mremap": (25, 216), "madvise": (28, 233),
    "dup": (32, 23), "nanosleep": (35, 101), "getpid": (39, 172), "socket": (41, 198),
    "connect": (42, 203), "sendto": (44, 206), "recvfrom": (45, 207), "sendmsg": (46, 211),
    "recvmsg": (47, 212), "bind": (49, 200), "listen": (50, 201), "socketpair": (53, 199),
    "clone": (56, 220), "fork": (57, -1), "vfork": (58, -1),
    "execve": (59, 221), "kill": (62, 129), "exit": (60, 93), "fcntl": (72, 25),
    "gettimeofday": (96, 169), "getrusage": (98, 165), "sysinfo": (99, 179), "ptrace": (101, 117),
    "sigaltstack": (131, 132), "mount": (165, 40), "gettid": (186, 178), "futex": (202, 98),
    "sched_getaffinity": (204, 123), "clock_gettime": (228, 113), "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115), "exit_group": (231, 94), "tgkill": (234, 131),
    "mbind": (237, 235), "keyctl": (250, 219), "newfstatat": (262, 79), "unshare": (272, 97),
    "ppoll": (271, 73),
    "set_robust_list": (273, 99), "prlimit64": (302, 261), "setns": (308, 268),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "getrandom": (318, 278),
    "memfd_create": (319, 279), "bpf": (321, 280), "execveat": (322, 281),
    "userfaultfd": (323, 282), "membarrier": (324, 283), "rseq": (334, 293),
    "io_uring_setup": (425, 425), "clone3": (435, 435), "pidfd_getfd": (438, 438),
    "chroot": (161, 51), "pivot_root": (155, 41), "umount2": (166, 39), "add_key": (248, 217),
    "request_key": (249, 218), "perf_event_open": (298, 241), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "kcmp": (312, 272), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "process_madvise": (440, 440), "mount_setattr": (442, 442), "process_mrelease": (448, 448),
    "seccomp": (317, 277), "open": (2, -1), "creat": (85, -1), "openat": (257, 56),
    "openat2": (437, 437), "truncate": (76, 45), "rename": (82, -1), "renameat": (264, 38),
    "renameat2": (316, 276), "mkdir": (83, -1), "mkdirat": (258, 34), "rmdir": (84, -1),
    "link": (86, -1), "linkat": (265, 37), "unlink": (87, -1), "unlinkat": (263, 35),
    "symlink": (88, -1), "symlinkat": (266, 36), "mknod": (133, -1), "mknodat": (259, 33),
    "chmod": (90, -1), "fchmodat": (268, 53), "chown": (92, -1), "lchown": (94, -1),
    "fchownat": (260, 54), "utime": (132, -1), "utimes": (235, -1), "futimesat": (261, -1),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "removexattr": (197, 14), "lremovexattr": (198, 15),
}  # fmt: skip
NAMES = frozenset(_CALLS)
"""Of the calls that filters can speak of."""


@dataclass(frozen=True, slots=True)
class Call:
    """A system call, perhaps only with certain arguments.

    Attributes:
        where: (number of an argument, mask, value): its 64 bits, masked, are that. With them it is
            allowed, in a list of calls that are denied, too.
        otherwise: errno that it fails with when the arguments are others.
    """

    name: str
    where: tuple[tuple[int, int, int], ...] = ()
    otherwise: int = errno.EPERM


def available() -> bool:
    """Return whether filters can be made for this machine."""
    return sys.platform == "linux" and platform.machine() in _ARCHITECTURES and sys.maxsize > 2**32


def allow_only(calls: Sequence[Call]) -> None:
    """Have every other call fail with EPERM from now on, in all threads.

    Raises:
        OSError: the kernel refuses; nothing has changed.
    """
    _install(_program(calls, listed=_ALLOW, others=_ERRNO | errno.EPERM))


def deny(calls: Sequence[Call]) -> None:
    """Have these calls fail from now on, save `where` they are allowed.

    Raises:
        OSError: as for `allow_only`.
    """
    _install(_program(calls, listed=_ERRNO | errno.EPERM, others=_ALLOW))


def _program(calls: Sequence[Call], *, listed: int, others: int) -> bytes:
    program = [
        _step(_LOAD, _ARCHITECTURE_AT),
        _step(_EQUAL, _ARCHITECTURES[platform.machine()], then=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER_AT),
        _step(_FROM, _X32, otherwise=1),
        _step(_RETURN, _ERRNO | errno.EPERM),
    ]
    for call in calls:
        number = _number_of(call.name)
        if number < 0:
            continue
        body = []
        for argument, mask, value in call.where:
            for at, shift in ((0, 0), (4, 32)):  # both architectures have the lower half first
                if not shift or mask >> shift:
                    body += [
                        _step(_LOAD, _ARGUMENTS_AT + 8 * argument + at),
                        _step(_AND, (mask >> shift) & _HALF),
                        _step(_EQUAL, (value >> shift) & _HALF, then=1),
                        _step(_RETURN, _ERRNO | call.otherwise),
                    ]
        body.append(_step(_RETURN, _ALLOW if call.where else listed))
        program += [_step(_EQUAL, number, otherwise=len(body)), *body]
    program.append(_step(_RETURN, others))
    return b"".join(program)


def _number_of(name: str) -> int:
    """Return the number of a call on this machine; -1 if it is not there."""
    return _CALLS[name][list(_ARCHITECTURES).index(platform.machine())]


def _step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("<HBBI", code, then, otherwise, value)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def _install(program: bytes) -> None:
    """Filter all threads: one without a filter could be made to do what the others may not.

    Where a container or a unit lets nobody ask for that, this one and those to come are filtered.
    """
    steps = _Program(len(program) // 8, program)
    libc = ctypes.CDLL(None)
    asked = map(ctypes.c_long, (_number_of("seccomp"), _SET_MODE_FILTER, _IN_ALL_THREADS))
    refused = libc.syscall(*asked, ctypes.byref(steps))
    if refused < 0:
        control(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(steps))
    elif refused:  # the number of a thread that has a filter of its own
        raise OSError(errno.EBUSY, "seccomp: not every thread can be filtered")


def forbid_new_privileges() -> None:
    """Have nothing that this process starts gain rights, as set-user-ID programs do.

    Raises:
        OSError: the kernel refuses.
    """
    control(_PR_SET_NO_NEW_PRIVS, 1)


def control(option: int, *arguments: int) -> None:
    """Call prctl(2) with an option and its arguments.

    Raises:
        OSError: the kernel refuses.
    """
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(ctypes.c_int(option), *padded) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option} fails")
