"""One contract for both clients, over the socket and over TCP: what happens when the way fails."""

import asyncio
import contextlib
import inspect
import os
import re
import socket
import threading

import msgspec
import pytest
from both_clients import CLIENTS
from forks import in_a_fork
from ports import free_port
from running import DEADLINE_S

from imgvecd import AsyncClient, Client, api
from imgvecd.errors import BadRequestError, DaemonError, DaemonUnreachableError, ImgvecdError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + b'{"status":"ok"}'
DONE = b'HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{"done":"it","clock":"c"}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FAILURE = api.Failure(path="/a\u20ac.jpg", size_bytes=3, reason="damaged", message="m")


class Listener(threading.Thread):
    """Answers each connection's requests by a script: an answer, or None to hang up."""

    where: dict

    def __init__(self, bound, *scripts):
        super().__init__(daemon=True)
        self.listener = bound
        self.listener.listen()
        self.scripts = scripts
        self.heard = []
        self.hung_up = threading.Event()
        self.start()

    def run(self):
        for script in self.scripts:
            try:
                client, _ = self.listener.accept()
            except OSError:  # the test is over
                return
            with client:
                for answer in script:
                    self.heard.append(self.request(client))
                    if answer is None:
                        break
                    if callable(answer):
                        answer(client)
                    else:
                        client.sendall(answer)
            self.hung_up.set()

    def close(self):
        with contextlib.suppress(OSError):  # not connected, which wakes the thread all the same
            self.listener.shutdown(socket.SHUT_RDWR)
        self.join(5)  # one that still answers ends with its client
        self.listener.close()

    def request(self, client):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = client.recv(65536)
            if not piece:
                return data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += client.recv(65536)
        return head + b"\r\n\r\n" + body


@pytest.fixture(params=["unix", "tcp"])
def listen(request, tmp_path):
    """Start a listener; it has `where`, the arguments of a client."""

    def start(*scripts):
        if request.param == "unix":
            bound = socket.socket(socket.AF_UNIX)
            bound.bind(str(tmp_path / "s"))
            where = {"socket": str(tmp_path / "s")}
        else:
            bound = socket.create_server(("127.0.0.1", 0))
            where = {"tcp": f"127.0.0.1:{bound.getsockname()[1]}", "token": "secret"}
        listener = Listener(bound, *scripts)
        listener.where = where
        started.append(listener)
        return listener

    started = []
    yield start
    for listener in started:
        listener.close()


@pytest.fixture(params=CLIENTS, ids=["Client", "AsyncClient"])
def connect(request):
    """Return a function that makes a client, kept open until the end of the test."""
    made = []

    def make(**options):
        made.append(request.param(**options).__enter__())
        return made[-1]

    yield make
    for client in made:
        client.__exit__(None, None, None)


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def test_connections_are_kept(listen, connect):
    listener = listen([OK, OK])
    client = connect(**listener.where)
    assert client.health().status == client.health().status == "ok"
    assert len(listener.heard) == 2


def test_a_process_forked_off_has_a_connection_of_its_own(listen):
    listener = listen([OK], [OK])
    with Client(**listener.where) as client:
        assert client.health().status == "ok"
        assert in_a_fork(client.health).status == "ok"
    assert len(listener.heard) == 2


def test_pictures_are_read_in_a_process_forked_off(tmp_path):
    """The threads that read them are not there."""
    nowhere = AsyncClient(str(tmp_path / "s"))

    def ask():
        with pytest.raises(DaemonUnreachableError):
            asyncio.run(nowhere.search(image=b"GIF89a"))

    ask()
    assert in_a_fork(ask) is None


def test_the_token_goes_along_over_tcp_only(listen, connect):
    listener = listen([OK])
    connect(**listener.where).health()
    (asked,) = listener.heard
    assert (b"Authorization: Bearer secret" in asked) == ("tcp" in listener.where)


@pytest.mark.parametrize("ask", ["health", "search", "retry"])
def test_what_ended_while_idle_costs_no_request(listen, connect, ask):
    listener = listen([OK], [DONE if ask == "retry" else ANSWERS[ask]])
    client = connect(**listener.where)
    client.health()
    assert listener.hung_up.wait(DEADLINE_S)
    getattr(client, ask)(*(["x"] if ask == "search" else []))
    assert len(listener.heard) == 2


@pytest.mark.parametrize(("ask", "sent"), [("health", 3), ("search", 3), ("retry", 2)])
def test_what_was_heard_before_the_end_is_repeated_only_if_it_reads(listen, connect, ask, sent):
    listener = listen([OK, None], [ANSWERS[ask]])
    client = connect(**listener.where)
    client.health()
    if sent == 2:
        with pytest.raises(DaemonUnreachableError, match="hung up"):
            client.retry()
    else:
        getattr(client, ask)(*(["x"] if ask == "search" else []))
    assert len(listener.heard) == sent


def found():
    answer = api.SearchResponse(hits=(), searched=0, clock="c", took_ms=1, model="m")
    body = msgspec.json.encode(answer)
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


ANSWERS = {"health": OK, "search": found(), "retry": DONE}


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{"], "hung up"),
        ([b"SSH-2.0-OpenSSH_9.9\r\n"], "does not speak HTTP"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"], "not imgvecd's"),
        ([b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nhello"], "not imgvecd's"),
    ],
)
def test_answers_that_are_none(listen, connect, script, says):
    listener = listen(script, script, script)
    with pytest.raises(DaemonUnreachableError, match=says):
        connect(**listener.where).health()


def test_an_error_has_its_code(listen, connect):
    body = b'{"code":"busy","title":"Busy","status":503,"detail":"later"}'
    answer = b"HTTP/1.1 503 X\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    listener = listen([answer], [answer], [answer])
    client = connect(**listener.where)
    for ask in (client.retry, lambda: list(client.failures()), lambda: list(client.events())):
        with pytest.raises(DaemonError, match="later") as raised:
            ask()
        assert (raised.value.code, raised.value.http_status) == ("busy", 503)
        client.close()


def test_an_answer_that_never_comes(listen, connect):
    silence = threading.Event()
    listener = listen([lambda _: silence.wait(60)])
    with pytest.raises(DaemonUnreachableError, match="too long"):
        connect(**listener.where, timeout_s=0.2).health()
    silence.set()


def test_a_stream_that_falls_silent(listen, connect):
    silence = threading.Event()
    listener = listen([lambda client: (client.sendall(CHUNKED), silence.wait(60))])
    with pytest.raises(DaemonUnreachableError, match="too long"):
        next(connect(**listener.where, timeout_s=0.2).events())
    silence.set()


def test_lines_come_whole_whatever_the_pieces(listen, connect):
    line = msgspec.json.encode(FAILURE) + b"\n"
    pieces = b"".join(chunk(bytes([byte])) for byte in line * 2)
    listener = listen([CHUNKED + pieces + b"0\r\n\r\n"])
    assert list(connect(**listener.where).failures()) == [FAILURE, FAILURE]


def test_a_list_that_breaks_off_is_an_error_and_events_just_end(listen, connect):
    line = msgspec.json.encode(FAILURE) + b"\n"
    event = b": beat\n\nid: 7\nevent: clock\ndata: " + b'{"id":"7","clock":"c"}' + b"\n\n"
    listener = listen([CHUNKED + chunk(line)], [CHUNKED + chunk(event)])
    client = connect(**listener.where)
    failures = client.failures()
    assert next(failures) == FAILURE
    with pytest.raises(DaemonUnreachableError, match="hung up"):
        next(failures)
    assert [event.clock for event in client.events("6")] == ["c"]
    assert b"Last-Event-ID: 6" in listener.heard[-1]


def test_nobody_listens(tmp_path, connect):
    gone = socket.socket(socket.AF_UNIX)
    gone.bind(str(tmp_path / "left-behind"))
    gone.close()
    for name in ("left-behind", "nothing", "no-folder/s"):
        with pytest.raises(DaemonUnreachableError, match=f"not running on .*{name}.*serve"):
            connect(socket=str(tmp_path / name)).health()
    port = free_port()
    with pytest.raises(DaemonUnreachableError, match=f"not running on 127.0.0.1:{port}"):
        connect(tcp=f"127.0.0.1:{port}", token="x").health()  # noqa: S106


def test_as_many_wait_as_the_kernel_keeps(tmp_path, connect):
    """A connection that the kernel puts off is asked for again, and taken for nobody else's."""
    path = str(tmp_path / "s")
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(path)
    bound.listen(0)
    waiting = []
    while True:
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        try:
            one.connect(path)
        except BlockingIOError:
            one.close()
            break
        waiting.append(one)
    answered = []
    client = connect(socket=path)
    asking = threading.Thread(target=lambda: answered.append(client.health().status))
    asking.start()
    asking.join(0.3)
    assert answered == []
    for one in waiting:
        bound.accept()[0].close()
        one.close()
    client_side, _ = bound.accept()
    client_side.recv(65536)
    client_side.sendall(OK)
    asking.join(DEADLINE_S)
    assert answered == ["ok"]
    client_side.close()
    bound.close()


@pytest.mark.parametrize(
    "where",
    [
        {"socket": "/s", "tcp": "127.0.0.1:1", "token": "x"},
        {"token": "x"},
        {"tcp": "example.org:80", "token": "x"},
        {"tcp": "127.0.0.1", "token": "x"},
        {"tcp": "127.0.0.1:1", "token": "two words"},
        {"tcp": "127.0.0.1:1", "token": "a\r\nb: c"},
    ],
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_addresses_that_are_none(kind, where):
    with pytest.raises(BadRequestError):
        kind(**where)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_the_token_comes_from_the_configured_file(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("IMGVECD_SERVER__TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(ImgvecdError, match="token_file"):
        kind(tcp="127.0.0.1:1")
    (tmp_path / "token").write_text("word\n")
    assert "word" not in repr(kind(tcp="127.0.0.1:1")._daemon._address)


def test_one_table_of_methods():
    public = {name for name in dir(Client) if not name.startswith("_")}
    assert public == {name for name in dir(AsyncClient) if not name.startswith("_")}
    for name in public:
        ours, theirs = (inspect.signature(getattr(kind, name)) for kind in (Client, AsyncClient))
        assert ours.parameters == theirs.parameters, name


def test_what_is_not_asked_any_more_is_hung_up_on(tmp_path):
    """A request that is cancelled tells the daemon so, by its connection's end."""
    path = str(tmp_path / "s")
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(path)
    bound.listen()

    async def main():
        async with AsyncClient(path) as client:
            asking = asyncio.create_task(client.search("x"))
            loop = asyncio.get_running_loop()
            bound.setblocking(False)
            heard, _ = await loop.sock_accept(bound)
            heard.setblocking(False)
            assert await loop.sock_recv(heard, 65536)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            while await asyncio.wait_for(loop.sock_recv(heard, 65536), DEADLINE_S):
                pass
            heard.close()

    asyncio.run(main())
    bound.close()
    assert os.path.exists(path)
