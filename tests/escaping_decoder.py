"""A decode worker that tries to get out: each way is named by the file's content.

Run by `DecoderPool(module="escaping_decoder")`. The answer is a failure whose message says how the
attempt ended: "allowed", or the name of the errno.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import platform
import resource
import signal
import socket
import struct
import sys

from imgvecd.adapters import pillow
from imgvecd.errors import UnreadableImageError
from imgvecd.workers import decode

_LIBC = ctypes.CDLL(None, use_errno=True)
_ON_ARM = platform.machine() == "aarch64"


def call(x86, arm, *arguments):
    """Return a system call to be made, by its numbers on x86-64 and arm64."""

    def made():
        number = arm if _ON_ARM else x86
        if _LIBC.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments)) < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    return made


def executable_memory():
    address = _LIBC.mmap
    address.restype = ctypes.c_void_p
    found = address(None, ctypes.c_size_t(4096), 7, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if found == ctypes.c_void_p(-1).value:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def limits_of_the_parent():
    """By limits at an address of which the lower half is 0, as if there were none."""
    address = 1 << 32
    fixed = 0x100000  # MAP_FIXED_NOREPLACE
    _LIBC.mmap.restype = ctypes.c_void_p
    _LIBC.mmap(ctypes.c_void_p(address), ctypes.c_size_t(4096), 3, 0x22 | fixed, -1, 0)
    most = resource.getrlimit(resource.RLIMIT_CORE)
    ctypes.memmove(address, struct.pack("=QQ", *(limit & (2**64 - 1) for limit in most)), 16)
    call(302, 261, os.getppid(), resource.RLIMIT_CORE, address, 0)()


def signals_by_a_file(command, argument):
    return lambda file: fcntl.fcntl(file, command, argument)


def descriptors():
    taken = []
    try:
        while len(taken) < 64:
            taken.append(os.dup(0))
    finally:
        for descriptor in taken:
            os.close(descriptor)


def write_to_the_file(file):
    os.write(file.fileno(), b"x")


WAYS = {
    b"read_a_file": lambda _: os.open("/etc/passwd", os.O_RDONLY),
    b"read_its_own_code": lambda _: os.open(sys.executable, os.O_RDONLY),
    b"write_a_file": lambda _: os.open("/tmp/escaped", os.O_WRONLY | os.O_CREAT),  # noqa: S108
    b"list_a_folder": lambda _: os.listdir("/"),
    b"stat_a_file": lambda _: os.stat("/etc/passwd"),
    b"remove_a_file": lambda _: os.unlink("/tmp/escaped"),  # noqa: S108
    b"make_a_link": lambda _: os.symlink("/", "/tmp/escaped"),  # noqa: S108
    b"tcp": lambda _: socket.socket(socket.AF_INET),
    b"udp": lambda _: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    b"unix": lambda _: socket.socket(socket.AF_UNIX),
    b"netlink": lambda _: socket.socket(16, socket.SOCK_RAW),
    b"pair": lambda _: socket.socketpair(),
    b"connect": lambda _: call(42, 203, 0, 0, 0)(),
    b"bind": lambda _: call(49, 200, 0, 0, 0)(),
    b"exec": lambda _: os.execv("/bin/true", ["true"]),  # noqa: S606
    b"fork": lambda _: os.fork(),
    b"thread_in_a_namespace": lambda _: call(56, 220, 0x10010900, 0, 0, 0, 0)(),
    b"clone3": lambda _: call(435, 435, 0, 0)(),
    b"new_user_namespace": lambda _: call(272, 97, 0x10000000)(),
    b"enter_namespace": lambda _: call(308, 268, 0, 0)(),
    b"ptrace": lambda _: call(101, 117, 0, 0, 0, 0)(),
    b"read_the_parent": lambda _: call(310, 270, os.getppid(), 0, 0, 0, 0, 0)(),
    b"write_the_parent": lambda _: call(311, 271, os.getppid(), 0, 0, 0, 0, 0)(),
    b"kill_the_parent": lambda _: os.kill(1, 0),
    b"limits_of_the_parent": lambda _: limits_of_the_parent(),
    b"signals_for_the_parent": signals_by_a_file(fcntl.F_SETOWN, os.getppid()),
    b"signals_that_kill": signals_by_a_file(fcntl.F_SETSIG, signal.SIGKILL),
    b"owner_by_structure": lambda _: call(72, 25, 0, 15, 1)(),
    b"descriptor_of_another": lambda _: call(438, 438, 0, 0, 0)(),
    b"io_uring": lambda _: call(425, 425, 1, 0)(),
    b"keyctl": lambda _: call(250, 219, 0, 0, 0, 0, 0)(),
    b"perf": lambda _: call(298, 241, 0, 0, -1, -1, 0)(),
    b"new_mount": lambda _: call(430, 430, 0, 0)(),
    b"bpf": lambda _: call(321, 280, 0, 0, 0)(),
    b"userfaultfd": lambda _: call(323, 282, 0)(),
    b"mount": lambda _: call(165, 40, 0, 0, 0, 0, 0)(),
    b"memory_file": lambda _: os.memfd_create("x"),
    b"executable_memory": lambda _: executable_memory(),
    b"more_descriptors": lambda _: descriptors(),
    b"write_to_the_file": write_to_the_file,
    b"higher_limits": lambda _: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)),
    b"change_folder": lambda _: os.chdir("/"),
}


def escape(file, spec, max_pixels):
    way = file.read(64).split(b" ")[0]
    file.seek(0)
    if way not in WAYS:
        return real_decode(file, spec, max_pixels)
    try:
        WAYS[way](file)
    except ValueError as error:  # what Python makes of a limit that may not be raised
        raise UnreadableImageError("unsupported", "EPERM") from error
    except OSError as error:
        raise UnreadableImageError("unsupported", errno.errorcode[error.errno or 0]) from error
    raise UnreadableImageError("unsupported", "allowed")


real_decode = pillow.decode
pillow.decode = escape

if __name__ == "__main__":
    decode.main()
