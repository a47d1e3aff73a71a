import asyncio
import socket
import struct

import pytest

from imgvecd.processes.framing import Closed, FrameError, pack, read_frame, receive, send
from imgvecd.processes.worker_messages import TextsRequest, Vectors, answer_decoder, request_decoder


@pytest.fixture
def ends():
    pair = socket.socketpair()
    yield pair
    for end in pair:
        end.close()


async def read_all(data):
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return await read_frame(reader)


def test_what_is_sent_is_received(ends):
    send(ends[0], TextsRequest(["ein Hund", "犬"]), [b"ab", b"", b"c"])
    header, body, descriptor = receive(ends[1])
    assert descriptor is None
    assert request_decoder.decode(header) == TextsRequest(["ein Hund", "犬"])
    assert body == b"abc"


async def test_both_sides_speak_the_same_frames():
    data = b"".join(pack(Vectors(2, 0.5), [b"1234", b"5678"]))
    header, body = await read_all(data)
    assert answer_decoder.decode(header) == Vectors(2, 0.5)
    assert body == b"12345678"


@pytest.mark.parametrize("kept", [0, 3, 12, 15, -1])
async def test_a_frame_cut_short_is_an_end(kept):
    data = b"".join(pack(Vectors(1, 0.0), [b"1234"]))
    with pytest.raises(Closed):
        await read_all(data[:kept])


async def test_absurd_lengths_are_refused_before_anything_is_read():
    with pytest.raises(FrameError):
        await read_all(struct.pack(">IQ", 1 << 31, 0) + b"x")
    with pytest.raises(FrameError):
        await read_all(struct.pack(">IQ", 1, 1 << 60) + b"x")


def test_the_child_notices_that_the_parent_is_gone(ends):
    ends[0].close()
    with pytest.raises(Closed):
        receive(ends[1])
    with pytest.raises(Closed):
        send(ends[1], Vectors(0, 0.0), [bytes(1 << 20)])
