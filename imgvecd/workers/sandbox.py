"""What workers give up once they have loaded everything: a hole in a decoder then leads nowhere.

A decoder keeps its channel, memory, and the descriptor of one file at a time, for reading. It has
no path, no network, no new process. A kernel may lack a part of this; what is in force is told.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import resource
import sys
from collections.abc import Callable

from imgvecd.adapters import landlock, seccomp
from imgvecd.adapters.seccomp import Call

logger = logging.getLogger(__name__)

_CHANGES_OF_PATHS = (
    "creat", "truncate", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "link",
    "linkat", "unlink", "unlinkat", "symlink", "symlinkat", "mknod", "mknodat", "chmod", "fchmodat",
    "chown", "lchown", "fchownat", "utime", "utimes", "futimesat", "utimensat", "setxattr",
    "lsetxattr", "removexattr", "lremovexattr",
)  # fmt: skip
_READING = (os.O_ACCMODE | os.O_CREAT | os.O_TRUNC, os.O_RDONLY)  # mask and value of open's flags
_NODES = "/sys/devices/system/node/online"  # of memory: "0" where there is a single one
_DESCRIPTORS = 16  # standard ones, the channel, a file, and what opens it a second time
_PROT_EXEC = 4
_AT_EMPTY_PATH = 0x1000
_LOW, _WHOLE = 0xFFFFFFFF, 2**64 - 1
_OF_OWNERS = 8  # the bit that F_SETOWN, F_SETSIG and F_SETOWN_EX have, and F_DUPFD and the like not
_OF_SOCKETS = 0x8000  # the bit that FIOSETOWN and SIOCSPGRP have; no device's request to torch does
_NEVER = ((0, 0, 1),)  # what is nothing is never 1
# CLONE_NEW…, CLONE_NEWTIME, CLONE_THREAD: a thread, which libde265 needs one of, and nothing else.
# The limit on processes counts all that the user runs, so it cannot say the same.
_THREAD_MASK, _CLONE_THREAD = 0x7E020000 | 0x80 | 0x10000, 0x10000

_PLAIN = (
    "read", "write", "recvmsg", "sendto", "sendmsg", "recvfrom", "close", "fstat", "lseek", "futex",
    "munmap", "brk", "madvise", "mremap", "pread64", "readv", "writev", "poll", "ppoll",
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "sched_yield",
    "sched_getaffinity", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres",
    "gettimeofday", "getrusage", "getpid", "gettid", "getrandom", "dup", "set_robust_list", "rseq",
    "membarrier", "exit", "exit_group",
)  # fmt: skip
_NO_BUSINESS_OF_TORCHS = (
    "fork", "vfork", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal",
    "socket", "socketpair", "connect", "bind", "listen", "ptrace", "process_vm_readv",
    "process_vm_writev", "pidfd_getfd", "process_madvise", "process_mrelease", "kcmp",
    "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register", "keyctl", "add_key",
    "request_key", "bpf", "userfaultfd", "mount", "umount2", "pivot_root", "chroot", "open_tree",
    "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "name_to_handle_at",
    "open_by_handle_at", "unshare", "setns", "execve", "execveat",
)  # fmt: skip


def leave_memory_in_its_node(nodes: str = _NODES) -> None:
    """Have mbind(2) fail from now on, where memory has one node and so nowhere to move to.

    OpenVINO calls it for each layer's weights, and takes no notice of how it ends. Every call waits
    until the kernel has had its turn on every core: 70 µs on idle ones, 20 ms and more where
    decoders have them, 226 times until ViT-B-32-256's image tower is built.
    """
    if sys.platform != "linux" or not seccomp.available():
        return
    with contextlib.suppress(OSError), open(nodes, encoding="ascii") as file:
        if file.read().strip() == "0":
            seccomp.forbid_new_privileges()
            seccomp.deny([Call("mbind")])


def confine_decoder(memory_bytes: int) -> list[str]:
    """Give up all that decoding does not need; return what is in force, for a person.

    To be called once everything is imported, by a process with one thread.

    Args:
        memory_bytes: of address space.
    """
    for limit, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),  # a bad photo shall not fill the disk
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
    ):
        resource.setrlimit(limit, (most, most))
    return ["limits", *_confined(lambda: seccomp.allow_only(_calls_of_a_decoder()))]


def confine_encoder(*, writing: bool) -> list[str]:
    """Give up what torch does not need once the model is loaded; return what is in force.

    Landlock reaches no thread that there is already, so seccomp denies changes of files as well.

    Args:
        writing: whether it may write files: the whole model keeps a part of itself in some, and
            drivers of devices open them when they like.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    calls = [
        *map(Call, _NO_BUSINESS_OF_TORCHS),
        Call("clone", ((0, _CLONE_THREAD, _CLONE_THREAD),)),
        Call("ioctl", ((1, _OF_SOCKETS, 0),)),  # they set the owner of a socket
        *_of_itself(),
    ]
    if not writing:
        calls += [
            *map(Call, _CHANGES_OF_PATHS),
            Call("open", ((1, *_READING),)),
            Call("openat", ((2, *_READING),)),
            Call("openat2", _NEVER, otherwise=errno.ENOSYS),  # its flags are out of sight
        ]
    return _confined(lambda: seccomp.deny(calls), reading=True, writing=writing)


def _confined(
    filter_calls: Callable[[], None], *, reading: bool = False, writing: bool = False
) -> list[str]:
    if sys.platform != "linux":
        return []
    in_force = []
    steps: tuple[tuple[str, bool, Callable[[], object]], ...] = (
        ("no_new_privs", True, seccomp.forbid_new_privileges),
        (
            "landlock",
            bool(landlock.abi()),
            lambda: landlock.restrict(reading=reading, writing=writing),
        ),
        ("seccomp", seccomp.available(), filter_calls),  # last: it forbids the others
    )
    for name, there, take in steps:
        if not there:
            continue
        try:
            take()
        except OSError as error:
            logger.warning("the sandbox lacks %s: %s", name, error)
        else:
            in_force.append(name)
    return in_force


def _calls_of_a_decoder() -> list[Call]:
    not_executable = ((2, _PROT_EXEC, 0),)
    return [
        *map(Call, _PLAIN),
        Call("mmap", not_executable),
        Call("mprotect", not_executable),
        # glibc asks for the state of a descriptor so
        Call("newfstatat", ((3, _LOW, _AT_EMPTY_PATH),), otherwise=errno.EACCES),
        Call("clone", ((0, _THREAD_MASK, _CLONE_THREAD),)),
        *_of_itself(),
        Call("ioctl", _NEVER, otherwise=errno.ENOTTY),  # is it a terminal? no
    ]


def _of_itself() -> list[Call]:
    return [
        Call("tgkill", ((0, _LOW, os.getpid()),)),  # of abort()
        Call("prlimit64", ((2, _WHOLE, 0),)),  # reading limits: one on time ends a process
        Call("fcntl", ((1, _OF_OWNERS, 0),)),  # a file has signals sent to its owner
        Call("clone3", _NEVER, otherwise=errno.ENOSYS),  # its flags are out of sight: use clone
    ]
