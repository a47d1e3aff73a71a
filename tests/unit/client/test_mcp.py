"""The MCP server against the protocol, message by message; the daemon is played."""

import io
import json
import threading

import pytest
from running import DEADLINE_S

from imgvecd import api
from imgvecd.client.mcp import protocol
from imgvecd.client.mcp.protocol import LONGEST_LINE, McpServer
from imgvecd.client.mcp.stdio import serve
from imgvecd.client.mcp.tools import tools
from imgvecd.errors import DaemonError, DaemonUnreachableError

READ = {
    "search_photos",
    "look",
    "details",
    "similar",
    "find_duplicates",
    "library",
    "status",
}


class PlayedDaemon:
    def __init__(self):
        self.asked = []

    def search(self, query, **fields):
        self.asked.append(api.search_request(query, fields))
        hits = tuple(api.Hit(id=n, score=0.3, path=f"/p/{n}.jpg", band="found") for n in (7, 8))
        return api.SearchResponse(hits=hits, searched=9, clock="c", took_ms=1.0, model="m", found=2)

    def thumbnail(self, image_id, size):
        if image_id > 100:
            raise DaemonError("there is no image 101", "not_found", 404)
        return b"\xff\xd8 small"

    def status(self):
        raise DaemonUnreachableError("imgvecd is not running")

    def stats(self):
        raise ZeroDivisionError("a fault of ours")

    timeline = stats

    def tag(self, ids, add, remove):
        self.asked.append((ids, add, remove))

    def duplicates(self, **fields):
        return api.Duplicates(groups=(), images=3, compared=3, took_ms=1.0)


@pytest.fixture
def daemon():
    return PlayedDaemon()


@pytest.fixture
def server(daemon):
    return McpServer(daemon, tools(write=False))


def ask(server, method, params=None, **more):
    message = {"jsonrpc": "2.0", "id": 1, "method": method, **more}
    if params is not None:
        message["params"] = params
    return json.loads(server.answer(json.dumps(message).encode()))


def call(server, name, **arguments):
    return ask(server, "tools/call", {"name": name, "arguments": arguments})["result"]


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [*((version, version) for version in protocol.VERSIONS), ("2099-01-01", "2025-11-25")],
)
def test_versions_are_negotiated(server, offered, agreed):
    result = ask(server, "initialize", {"protocolVersion": offered, "capabilities": {}})["result"]
    assert result["protocolVersion"] == agreed
    assert result["capabilities"] == {"tools": {}}
    assert "never" in result["instructions"]


def test_writing_is_offered_on_request_only(server, daemon):
    listed = ask(server, "tools/list")["result"]["tools"]
    assert {tool["name"] for tool in listed} == READ
    assert all(tool["annotations"]["readOnlyHint"] for tool in listed)
    assert all(tool["inputSchema"]["type"] == "object" for tool in listed)
    assert ask(server, "tools/call", {"name": "tag", "arguments": {}})["error"]["code"] == -32602
    writing = McpServer(daemon, tools(write=True))
    listed = ask(writing, "tools/list")["result"]["tools"]
    more = {tool["name"]: tool["annotations"]["readOnlyHint"] for tool in listed[len(READ) :]}
    assert more == {"tag": False, "set": False}
    assert "isError" not in call(writing, "tag", ids=[3], add=["sea"])
    assert daemon.asked == [((3,), ("sea",), ())]
    assert "image_id" in call(writing, "set", id=3, values={"image_id": 1})["content"][0]["text"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{", -32700),
        ("\ufeff", -32700),
        ("[" * 10_000, -32700),
        ("[]", -32600),
        ("[1]", -32600),
        ("3", -32600),
        ("{}", -32600),
        ('{"jsonrpc": "1.0", "id": 1, "method": "ping"}', -32600),
        ('{"jsonrpc": "2.0", "id": null, "method": "ping"}', -32600),
        ('{"jsonrpc": "2.0", "id": true, "method": "ping"}', -32600),
        ('{"jsonrpc": "2.0", "id": 1, "method": 5}', -32600),
        ('{"jsonrpc": "2.0", "id": 1, "method": "resources/list"}', -32601),
        ('{"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": [1]}', -32602),
        ('{"jsonrpc": "2.0", "id": 1, "method": "initialize"}', -32602),
        ('{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": []}}', -32602),
        ('{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "rm"}}', -32602),
    ],
)
def test_errors_are_those_of_the_protocol(server, line, code):
    reply = json.loads(server.answer(line.encode()))
    (reply,) = reply if isinstance(reply, list) else [reply]
    assert reply["error"]["code"] == code
    assert reply["jsonrpc"] == "2.0"


def test_bytes_that_are_no_text_are_refused(server):
    assert b"-32700" in server.answer(b'{"jsonrpc": "\xff"}')


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc": "2.0", "method": "notifications/initialized"}',
        b'{"jsonrpc": "2.0", "method": "notifications/unheard-of", "params": {}}',
        b'{"jsonrpc": "2.0", "id": 4, "result": {}}',
    ],
)
def test_notifications_and_answers_are_not_answered(server, line):
    assert server.answer(line) is None
    assert server.answer(b"[" + line + b"]") is None


def test_a_batch_is_answered_together(server):
    one = b'{"jsonrpc": "2.0", "id": "a", "method": "ping"}'
    assert [reply["id"] for reply in json.loads(server.answer(b"[%b,%b]" % (one, one)))] == [
        "a"
    ] * 2
    assert b"-32600" in server.answer(b"[" + b",".join([one] * 65) + b"]")


def test_a_search_reaches_the_daemon_and_pictures_come_back(server, daemon):
    result = call(server, "search_photos", query="a dog", taken="2023", tags=["sea"], limit=2)
    assert [photo["id"] for photo in json.loads(result["content"][0]["text"])["photos"]] == [7, 8]
    assert daemon.asked[0].text == "a dog"
    assert daemon.asked[0].filters == api.Filters(taken="2023", tags=("sea",))
    found = json.loads(call(server, "similar", id=7)["content"][0]["text"])["photos"]
    assert [photo["id"] for photo in found] == [8]  # not itself
    parts = call(server, "look", ids=[5, 5, 101])["content"]
    assert [part["type"] for part in parts] == ["text", "image", "text"]
    assert parts[1]["mimeType"] == "image/jpeg"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("look", {"ids": list(range(9))}, "ids"),
        ("look", {"ids": []}, "ids"),
        ("look", {"ids": [101]}, "no image 101"),
        ("look", {"ids": [1], "size": 9000}, "size"),
        ("search_photos", {}, "query"),
        ("search_photos", {"query": "x", "limit": 101}, "limit"),
        ("search_photos", {"query": "x", "colour": "red"}, "colour"),
        ("details", {"id": -1}, "id"),
        ("status", {}, "not running"),
    ],
)
def test_what_a_model_can_mend_is_told_to_it(server, name, arguments, said):
    result = call(server, name, **arguments)
    assert result["isError"] is True
    assert said in result["content"][0]["text"]


def test_a_fault_of_ours_does_not_end_the_session(server, capsys):
    answer = ask(server, "tools/call", {"name": "library"})
    assert answer["error"]["code"] == -32603
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert ask(server, "ping")["result"] == {}


def test_a_long_line_is_refused_and_the_next_one_answered(server):
    ping = b'{"jsonrpc": "2.0", "id": 5, "method": "ping"}'
    target = io.BytesIO()
    serve(server, io.BytesIO(b"x" * (3 * LONGEST_LINE) + b"\n\n" + ping), target)
    refused, answered = map(json.loads, target.getvalue().splitlines())
    assert refused["error"]["code"] == -32700
    assert answered["id"] == 5


def test_a_ping_is_answered_while_a_tool_is_at_work(daemon):
    begun, pinged = threading.Event(), threading.Event()

    class Target(io.BytesIO):
        def write(self, data):
            if b'"id":2' in data:
                pinged.set()
            return super().write(data)

    def slow(**_):
        begun.set()
        assert pinged.wait(DEADLINE_S)
        return api.Duplicates(groups=(), images=3, compared=3, took_ms=1.0)

    def lines():
        yield (
            b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call",'
            b' "params": {"name": "find_duplicates"}}\n'
        )
        assert begun.wait(DEADLINE_S)
        yield b'{"jsonrpc": "2.0", "id": 2, "method": "ping"}\n'
        yield b""

    class Source(io.BytesIO):
        def readline(self, size=-1):
            return next(coming)

    coming = lines()
    daemon.duplicates = slow
    target = Target()
    serve(McpServer(daemon, tools(write=False)), Source(), target)
    assert [json.loads(line)["id"] for line in target.getvalue().splitlines()] == [2, 1]
