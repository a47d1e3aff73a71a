"""The child's end of the channel, and how a worker lives: at low priority, never without parent."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence

from imgvecd.processes.framing import Buffer, Closed, receive, send
from imgvecd.processes.worker_messages import Answer, Request, request_decoder
from imgvecd.types import Priority

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def open_channel(priority: Priority) -> socket.socket:
    """Return the socket that is this process's stdin, and make the process a good child.

    Stdin becomes /dev/null, so that no library can read from the channel. Nothing else can write
    to it: stdout and stderr are another pipe.
    """
    channel = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if priority != Priority():
        from imgvecd.adapters import this_machine  # noqa: PLC0415  # psutil: texts do not wait for it

        this_machine.lower(priority)
    _end_with_parent()
    return channel


def serve(
    channel: socket.socket,
    ready: Answer,
    answer: Callable[[Request, bytearray], tuple[Answer, Sequence[Buffer]]],
) -> None:
    """Say that all is ready, then answer requests until the parent closes the channel."""
    serve_files(channel, ready, lambda request, body, _: answer(request, body))


def serve_files(
    channel: socket.socket,
    ready: Answer,
    answer: Callable[[Request, bytearray, int | None], tuple[Answer, Sequence[Buffer]]],
) -> None:
    """Do as `serve`, for requests with which an open file may come along, as a descriptor.

    Args:
        answer: to a request, its body, and the descriptor, which it closes.
    """
    try:
        send(channel, ready)
        while True:
            header, body, descriptor = receive(channel)
            send(channel, *answer(request_decoder.decode(header), body, descriptor))
    except Closed:
        return


def _end_with_parent() -> None:
    """Ask Linux to kill this process with its parent, even while it hangs in a C library.

    Elsewhere the closed channel ends it, once it looks. A parent that died before this call is
    noticed in the same way.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
