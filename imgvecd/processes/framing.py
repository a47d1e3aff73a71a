"""Frames: what travels between the daemon and its workers, over one stream socket.

A frame is two lengths (uint32, uint64, big-endian), a msgpack header and a raw body. Nothing is
pickled, so that a worker which bad bytes have taken over can send data and nothing else.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:  # a worker, which imports this too, has no event loop
    import asyncio

Buffer: TypeAlias = bytes | bytearray | memoryview

_LENGTHS = struct.Struct(">IQ")
_MAX_HEADER_BYTES = 16 << 20  # texts travel in the header; far above any batch of them
MAX_BODY_BYTES = 4 << 30
"""Far above any batch of pixels."""


class FrameError(Exception):
    """What arrived is no frame: the other side is not to be trusted any more."""


class Closed(Exception):  # noqa: N818  # an event, not an error: the other side ended
    """The other side closed the channel."""


def pack(message: Any, body: Sequence[Buffer] = ()) -> list[Buffer]:  # noqa: ANN401  # any msgspec Struct
    """Return the parts of a frame, to be written one after another."""
    header = msgspec.msgpack.encode(message)
    return [_LENGTHS.pack(len(header), sum(len(part) for part in body)), header, *body]


async def read_frame(
    reader: asyncio.StreamReader, most_bytes: int = MAX_BODY_BYTES
) -> tuple[bytes, bytes]:
    """Return the next (header, body).

    Args:
        most_bytes: of a body: what is announced takes memory as it comes.

    Raises:
        Closed: there is none, or only a part of one.
        FrameError: the lengths make no sense.
    """
    try:
        lengths = _check(await reader.readexactly(_LENGTHS.size), most_bytes)
        return await reader.readexactly(lengths[0]), await reader.readexactly(lengths[1])
    except (EOFError, ConnectionError) as error:
        raise Closed from error


def receive(channel: socket.socket) -> tuple[bytearray, bytearray, int | None]:
    """Return the next (header, body, descriptor that came along) from a blocking socket.

    The descriptor is the caller's to close. Errors as for `read_frame`.
    """
    try:
        lengths, descriptors, _, _ = socket.recv_fds(
            channel, _LENGTHS.size, 1, getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        )
    except ConnectionError as error:
        raise Closed from error
    if not lengths:
        raise Closed
    lengths += _receive_exactly(channel, _LENGTHS.size - len(lengths))
    header_bytes, body_bytes = _check(lengths)
    header = _receive_exactly(channel, header_bytes)
    return header, _receive_exactly(channel, body_bytes), next(iter(descriptors), None)


def send(channel: socket.socket, message: Any, body: Sequence[Buffer] = ()) -> None:  # noqa: ANN401
    """Write a frame to a blocking socket.

    Raises:
        Closed: nobody is there to read it.
    """
    try:
        for part in pack(message, body):
            channel.sendall(part)
    except ConnectionError as error:
        raise Closed from error


def _check(lengths: Buffer, most_bytes: int = MAX_BODY_BYTES) -> tuple[int, int]:
    header_bytes, body_bytes = _LENGTHS.unpack(lengths)
    if header_bytes > _MAX_HEADER_BYTES or body_bytes > most_bytes:
        raise FrameError(f"a frame of {header_bytes} + {body_bytes} bytes")
    return header_bytes, body_bytes


def _receive_exactly(channel: socket.socket, count: int) -> bytearray:
    buffer = bytearray(count)
    view = memoryview(buffer)
    while view:
        try:
            received = channel.recv_into(view)
        except ConnectionError as error:
            raise Closed from error
        if not received:
            raise Closed
        view = view[received:]
    return buffer
