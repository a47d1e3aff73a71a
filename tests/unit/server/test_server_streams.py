"""Long answers: as lines in bounded memory, and events that go on where a client was."""

import asyncio
import json
import types

import pytest
from running import DEADLINE_S

from imgvecd import api
from imgvecd.core.slots import Slots
from imgvecd.errors import CatalogError
from imgvecd.server import app, streaming

LINES = {"Accept": "application/x-ndjson"}


def images(count, path="/photos/x.jpg"):
    file = api.ImageFile(path=path, size_bytes=1, modified_at="2026-01-01T00:00:00Z")
    return [api.Image(id=number, hash="00", files=(file,)) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 500, 1203])
async def test_lines_are_all_there_is(daemon, count):
    daemon.service.library = images(count)
    answer = await daemon.ask("GET", "/v1/images", headers=LINES)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson")
    assert [json.loads(line)["id"] for line in answer.body.splitlines()] == list(range(count))


async def test_lines_begin_and_end_where_asked(daemon):
    daemon.service.library = images(1203)
    answer = await daemon.ask("GET", "/v1/images?after=600&limit=700", headers=LINES)
    ids = [json.loads(line)["id"] for line in answer.body.splitlines()]
    assert ids == list(range(601, 1203))
    answer = await daemon.ask("GET", "/v1/images?limit=3", headers=LINES)
    assert len(answer.body.splitlines()) == 3


async def test_without_the_wish_it_is_a_page(daemon):
    daemon.service.library = images(200)
    answer = await daemon.ask("GET", "/v1/images", headers={"Accept": "*/*"})
    assert (len(answer.json["images"]), answer.json["next_after"]) == (100, 99)


async def test_changes_and_failures_come_as_lines(daemon):
    answer = await daemon.ask("GET", "/v1/changes", headers=LINES)
    assert [json.loads(line)["clock"] for line in answer.body.splitlines()] == ["c:x:1"]
    answer = await daemon.ask("GET", "/v1/failures", headers=LINES)
    assert (answer.status, answer.body) == (200, b"")


async def test_while_others_ask_a_list_of_lines_rests_in_proportion(daemon, monkeypatch):
    """A page that took long is followed by a longer rest; who is alone gets the next at once."""
    rests, at_once = [], [True]
    sleep = asyncio.sleep

    async def noted(seconds, *arguments):
        rests.append(seconds)
        await sleep(0, *arguments)

    images_of = daemon.service.images

    async def slow(*asked):
        await sleep(0.03)
        return await images_of(*asked)

    daemon.service.images = slow
    daemon.service.library = images(600)
    monkeypatch.setattr(Slots, "alone", lambda _, __: at_once[0])
    own = types.SimpleNamespace(**{**vars(asyncio), "sleep": noted})
    monkeypatch.setattr(streaming, "asyncio", own)
    assert (await daemon.ask("GET", "/v1/images", headers=LINES)).status == 200
    assert not rests
    at_once[0] = False
    answer = await daemon.ask("GET", "/v1/images", headers=LINES)
    assert len(answer.body.splitlines()) == 600
    assert len([seconds for seconds in rests if seconds >= 3 * 0.03 * 0.9]) >= 2  # one a page


async def test_an_error_before_the_first_line_is_a_problem(daemon):
    daemon.service.error = CatalogError("the disk is broken")
    answer = await daemon.ask("GET", "/v1/images", headers=LINES)
    assert (answer.status, answer.json["code"]) == (503, "catalog")


async def test_an_answer_that_breaks_off_is_seen_to(daemon):
    daemon.service.library = images(5000, "/photos/" + "x" * 1000)  # a page fills the buffers
    client = daemon.connect()
    client.sendall(b"GET /v1/images HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n")
    await daemon.until(lambda: daemon.service.asked)
    daemon.service.error = CatalogError("the disk is broken")

    def read():
        data = b""
        try:
            while piece := client.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
        return data

    data = await asyncio.to_thread(read)
    client.close()
    assert data.startswith(b"HTTP/1.1 200")
    assert not data.endswith(b"0\r\n\r\n")  # the end of a whole answer
    assert b"HTTP/1.1 503" not in data


async def test_who_does_not_read_holds_up_nothing_and_is_dropped(start):
    daemon = await start(timeout_s=0.3)
    daemon.service.library = images(100_000, "/photos/" + "x" * 1000)
    client = daemon.connect()
    client.sendall(b"GET /v1/images HTTP/1.1\r\nHost: x\r\nAccept: application/x-ndjson\r\n\r\n")
    connections = daemon.server.connections
    await daemon.until(lambda: connections() == 1)
    await daemon.until(lambda: connections() == 0)
    assert len(daemon.service.asked) < 10  # pages, of 200
    client.close()


async def test_lines_may_take_longer_than_a_request_may(start):
    daemon = await start(timeout_s=0.3)
    daemon.service.library = images(1203)
    daemon.service.gate = asyncio.Event()
    asking = asyncio.create_task(daemon.ask("GET", "/v1/images", headers=LINES))
    late = await daemon.ask("GET", "/v1/images")
    assert late.status == 504
    daemon.service.gate.set()
    assert len((await asking).body.splitlines()) == 1203


EVENT = api.Event(id="r.5", clock="c:x:9")


async def listen(daemon, head=""):
    reader, writer = await asyncio.open_unix_connection(daemon.path)
    writer.write(f"GET /v1/events HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
    answered = await reader.readuntil(b"\r\n\r\n")
    return answered, reader, writer


async def test_events_have_names_and_ids(daemon):
    head, reader, writer = await listen(daemon, "Last-Event-ID: r.4\r\n")
    assert b"Content-Type: text/event-stream" in head
    await daemon.service.events.told.put(None)
    await daemon.service.events.told.put(EVENT)
    heard = await asyncio.wait_for(reader.readuntil(b"}\n\n"), DEADLINE_S)
    assert b": still here\n\n" in heard
    assert b"event: clock\nid: r.5\n" in heard
    data = json.loads(heard.partition(b"data: ")[2].splitlines()[0])
    assert data == {"id": "r.5", "clock": "c:x:9"}
    assert daemon.service.events.begun == ["r.4"]
    writer.close()
    await daemon.service.events.told.put(EVENT)
    await daemon.until(lambda: daemon.service.events.left == 1)


async def test_who_does_not_read_events_is_dropped(start):
    daemon = await start(timeout_s=0.3)
    large = api.Event(id="r.1", clock="x" * 1_000_000)
    for _ in range(10):
        daemon.service.events.told.put_nowait(large)
    client = daemon.connect()
    client.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
    await daemon.until(lambda: daemon.service.events.left == 1)
    assert daemon.service.events.told.qsize() > 5
    client.close()


async def test_events_end_with_the_daemon(start, monkeypatch):
    monkeypatch.setattr(app, "DRAIN_S", 86_400.0)  # for requests under way
    daemon = await start()
    _, reader, writer = await listen(daemon)
    await asyncio.wait_for(daemon.server.close(), DEADLINE_S)
    assert await asyncio.wait_for(reader.read(), DEADLINE_S) is not None
    writer.close()
