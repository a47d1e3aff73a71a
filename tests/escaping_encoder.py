"""An encode worker without a model that tries to get out: each way is named by a text.

Run by `EncoderProcess(module="escaping_encoder")`. The answer is a failure whose message says how
the attempt ended: "allowed", or the name of the errno.
"""

import concurrent.futures
import errno
import fcntl
import os
import struct
import sys
import threading

import msgspec
from escaping_decoder import WAYS as OF_DECODERS
from escaping_decoder import call

from imgvecd.processes.worker_messages import EncodeArguments, EncodeReady, Failed
from imgvecd.types import ModelInfo, PreprocessSpec
from imgvecd.workers.channel import open_channel, serve
from imgvecd.workers.sandbox import confine_encoder


def in_a_thread(_):
    thread = threading.Thread(target=sum, args=((1, 2),))
    thread.start()
    thread.join()


def memory_of_the_parent(_):
    os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR))


def signals_by_the_channel(command):
    return lambda _: fcntl.ioctl(channel, command, struct.pack("i", os.getppid()))


DENIED = {
    name.decode(): way
    for name, way in OF_DECODERS.items()
    if name.decode()
    in {
        *("tcp", "udp", "unix", "netlink", "pair", "connect", "bind", "exec", "fork", "clone3"),
        *("new_user_namespace", "enter_namespace", "ptrace", "read_the_parent", "keyctl", "bpf"),
        *("write_the_parent", "kill_the_parent", "descriptor_of_another", "io_uring", "mount"),
        *("userfaultfd", "perf", "new_mount", "limits_of_the_parent"),
    }
} | {
    "raw_fork": lambda _: call(57, -1)(),
    "raw_vfork": lambda _: call(58, -1)(),
    "fork_by_clone": lambda _: call(56, 220, 17, 0, 0, 0, 0)(),
    "signal_another": lambda _: call(234, 131, os.getppid(), os.getppid(), 0)(),
    "signal_by_queue": lambda _: call(129, 138, os.getppid(), 0, 0)(),
    "signals_for_the_parent": lambda _: fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid()),
    "signals_by_its_socket": signals_by_the_channel(0x8901),  # FIOSETOWN
    "signals_by_its_socket_group": signals_by_the_channel(0x8902),  # SIOCSPGRP
    "other_numbers": lambda _: call(0x40000000 + 39, -1)(),
    "memory_of_the_parent": memory_of_the_parent,
}
CHANGES = {
    "write_a_file": OF_DECODERS[b"write_a_file"],
    "make_a_link": OF_DECODERS[b"make_a_link"],
    "make_a_folder": lambda _: os.mkdir("/tmp/escaped-folder"),  # noqa: S108
}
# A thread that was there before is out of Landlock's reach.
older = concurrent.futures.ThreadPoolExecutor(1)
CHANGES |= {
    f"{name}_from_an_older_thread": lambda _, way=way: older.submit(way, None).result()
    for name, way in CHANGES.items()
}
NEEDED = {"in_a_thread": in_a_thread, "read_a_file": OF_DECODERS[b"read_a_file"]}


def answer(request, _body):
    way = (DENIED | CHANGES | NEEDED)[request.texts[0]]
    try:
        way(None)
    except OSError as error:
        return Failed("worker", errno.errorcode[error.errno or 0]), ()
    return Failed("worker", "allowed"), ()


if __name__ == "__main__":
    arguments = msgspec.json.decode(sys.argv[1], type=EncodeArguments)
    channel = open_channel(arguments.priority)
    older.submit(os.getpid).result()
    in_force = confine_encoder(writing=arguments.part not in {"texts", "images"})
    info = ModelInfo("f", "fake", "", 8, PreprocessSpec(16, (0.5,) * 3, (0.5,) * 3))
    serve(channel, EncodeReady(info, "cpu", "float32", sandbox=tuple(in_force)), answer)
