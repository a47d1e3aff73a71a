"""Clients that stall, flood or send rubbish are cut off; the others do not notice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time

import pytest
from running import DEADLINE_S

from imgvecd.api import SearchRequest, SearchResponse
from imgvecd.errors import BusyError
from imgvecd.server import client_connection as connection_module
from imgvecd.server import concurrency, courtesy, listener, request_bodies
from imgvecd.server.client_connection import MAX_CONNECTIONS_PER_CLIENT, Stage
from imgvecd.server.concurrency import SLOTS
from imgvecd.server.peer_credentials import ClientIdentity
from imgvecd.server.request_bodies import LARGE_BODIES_AT_ONCE, LARGE_BODIES_PER_CLIENT

HEALTH = b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /v1/search HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(size):
    return f"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()


async def received(client):
    """Return everything up to the end of the connection."""

    def read():
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := client.recv(65536):
                data += chunk
        client.close()
        return data

    return await asyncio.to_thread(read)


def status(answer):
    return int(answer.split(b" ", 2)[1])


def body(answer):
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    "sent", [b"", b"GET", b"GET /v1/health HTTP/1.1\r\nHost: x\r\n", HEALTH], ids=len
)
async def test_silent_connections_are_closed(start, sent):
    daemon = await start(idle_timeout_s=0.1)
    client = daemon.connect()
    client.sendall(sent)
    answer = await received(client)
    assert (b"200 OK" in answer) == (sent == HEALTH)


async def test_dripping_a_head_does_not_keep_a_connection(start):
    daemon = await start(idle_timeout_s=0.3)
    client = daemon.connect()

    def refused():
        try:
            client.sendall(b"X")
        except OSError:
            return True
        return False

    await daemon.until(refused)
    client.close()


@pytest.mark.parametrize("sent", [post(10) + b"{", CHUNKED + b"5\r\n{"], ids=["length", "chunked"])
async def test_a_stalled_body_meets_the_deadline(start, sent):
    daemon = await start(timeout_s=0.1)
    client = daemon.connect()
    client.sendall(sent)
    answer = await received(client)
    assert (status(answer), body(answer)["code"]) == (504, "timeout")


async def test_a_slow_answer_meets_the_deadline(start):
    daemon = await start(timeout_s=0.1)
    daemon.service.gate = asyncio.Event()
    answer = await daemon.ask("GET", "/v1/status")
    assert (answer.status, answer.json["code"]) == (504, "timeout")
    assert daemon.service.finished == 0


async def test_a_client_that_does_not_read_its_answer_is_dropped(start):
    daemon = await start(timeout_s=0.3)
    daemon.service.reasons = ("x" * 50_000_000,)
    client = daemon.connect()
    client.sendall(HEALTH)
    connections = daemon.server.connections
    await daemon.until(lambda: connections() == 1)
    await daemon.until(lambda: connections() == 0)
    client.close()


async def test_a_body_announced_too_large_is_refused_at_once(start):
    daemon = await start(max_upload_mb=1)
    client = daemon.connect()
    client.sendall(post(1_000_001))
    answer = await received(client)
    assert (status(answer), body(answer)["code"]) == (413, "too_large")
    assert "server.max_upload_mb" in body(answer)["detail"]


async def test_what_comes_of_a_refused_body_is_passed_over_with_rests(start, monkeypatch):
    rested = []

    class Noted(courtesy.Courtesy):
        async def rest(self, took_s):
            rested.append(took_s)
            await super().rest(took_s)

    monkeypatch.setattr(request_bodies, "Courtesy", Noted)
    monkeypatch.setattr(request_bodies, "LINGER_S", DEADLINE_S)
    daemon = await start(max_upload_mb=1, **PATIENT)
    client = daemon.connect()
    last = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    sending = asyncio.to_thread(client.sendall, post(3_000_000) + bytes(3_000_000) + last)
    answers, _ = await asyncio.gather(received(client), sending)
    assert status(answers) == 413
    assert b"HTTP/1.1 200" in answers
    assert rested


async def test_a_chunked_body_is_cut_where_it_becomes_too_large(start):
    daemon = await start(max_upload_mb=1)
    client = daemon.connect()

    def send():
        client.sendall(CHUNKED)
        with contextlib.suppress(OSError):
            for _ in range(100):
                client.sendall(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")

    sending = asyncio.create_task(asyncio.to_thread(send))
    answer = await received(client)
    await sending
    assert (status(answer), body(answer)["code"]) == (413, "too_large")


async def test_a_form_field_cannot_be_huge(daemon):
    form = b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\n' + b"x" * 100_000
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = await daemon.ask("POST", "/v1/search", form + b"\r\n--b--\r\n", headers)
    assert (answer.status, answer.json["code"]) == (413, "too_large")


async def test_compressed_bodies_do_not_unfold(daemon):
    headers = {"Content-Encoding": "gzip"}
    answer = await daemon.ask("POST", "/v1/search", b"\x1f\x8b" + bytes(100), headers)
    assert answer.status == 400


async def test_a_batch_cannot_ask_for_an_answer_of_any_size(daemon):
    searches = [{"text": "x", "limit": 1000}] * 11
    answer = await daemon.ask("POST", "/v1/search/batch", json.dumps({"searches": searches}))
    assert (answer.status, answer.json["code"]) == (400, "bad_request")
    assert "10,000" in answer.json["detail"]
    answer = await daemon.ask("POST", "/v1/search/batch", json.dumps({"searches": searches[1:]}))
    assert answer.status == 200


async def test_few_large_bodies_are_in_memory_at_once(daemon):
    daemon.service.gate = asyncio.Event()
    large = json.dumps({"text": "x", "image": {"data": "A" * 1_200_000}})
    asking = [asyncio.create_task(daemon.ask("POST", "/v1/search", large)) for _ in range(5)]
    await daemon.until(lambda: len(daemon.service.asked) == LARGE_BODIES_PER_CLIENT)
    small = asyncio.create_task(daemon.ask("GET", "/v1/search?text=x"))
    await daemon.until(lambda: len(daemon.service.asked) == LARGE_BODIES_PER_CLIENT + 1)
    daemon.service.gate.set()
    assert [(await one).status for one in (*asking, small)] == [200] * 6


@pytest.mark.parametrize(
    "rubbish",
    [
        bytes(range(256)) * 4,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),  # a TLS hello
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=range(8),
)
async def test_what_is_no_http_is_a_problem(daemon, rubbish, caplog):
    client = daemon.connect()
    with contextlib.suppress(OSError):
        client.sendall(rubbish)
    answer = await received(client)
    assert status(answer) == 400
    assert body(answer)["code"] == "bad_request"
    assert "Traceback" not in caplog.text


async def test_a_broken_chunk_is_a_bad_request(daemon):
    client = daemon.connect()
    client.sendall(CHUNKED + b"zz\r\n")
    answer = await received(client)
    assert status(answer) == 400


async def test_idle_connections_make_room_and_others_are_served(start, monkeypatch):
    monkeypatch.setattr(connection_module, "MAX_CONNECTIONS", 40)
    monkeypatch.setattr(connection_module, "MAX_CONNECTIONS_PER_CLIENT", 20)
    daemon = await start()
    idle = []
    for _ in range(100):
        idle.append(daemon.connect())
        if len(idle) % 10 == 0:
            assert (await daemon.ask("GET", "/v1/health")).status == 200
            assert daemon.server.connections() <= 20
    for client in idle:
        client.close()


async def test_when_all_connections_are_busy_a_new_one_is_told(start, monkeypatch):
    monkeypatch.setattr(connection_module, "MAX_CONNECTIONS_PER_CLIENT", 3)
    daemon = await start()
    daemon.service.gate = asyncio.Event()
    asking = [asyncio.create_task(daemon.ask("GET", "/v1/status")) for _ in range(3)]
    await daemon.until(lambda: len(daemon.service.asked) == 3)
    answer = await daemon.ask("GET", "/v1/status")
    assert (answer.status, answer.json["code"]) == (503, "busy")
    assert answer.headers["Retry-After"] == "1"
    daemon.service.gate.set()
    assert [(await one).status for one in asking] == [200] * 3


async def test_what_is_kept_waits_for_nothing(start):
    daemon = await start()
    daemon.service.remembered = {f"known{n}" for n in range(SLOTS)}
    kept = SearchResponse(hits=(), searched=0, clock="c:x:1", took_ms=0.0, model="m")
    daemon.service.answers = {"again": kept}
    daemon.service.gate = asyncio.Event()
    clients = [daemon.connect() for _ in range(SLOTS)]
    for n, client in enumerate(clients):
        client.sendall(f"GET /v1/search?text=known{n} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await daemon.until(lambda: len(daemon.service.asked) == SLOTS // 2)
    assert (await daemon.ask("GET", "/v1/search?text=again")).json["model"] == "m"
    assert len(daemon.service.asked) == SLOTS // 2
    daemon.service.gate.set()
    for client in clients:
        assert (await asyncio.to_thread(client.recv, 100)).startswith(b"HTTP/1.1 200")
        client.close()


async def test_a_search_that_needs_no_model_waits_for_none_that_do(start):
    daemon = await start()
    daemon.service.remembered = {"known"}
    daemon.service.gate = asyncio.Event()
    clients = []
    for path in [*(f"search?text=new{n}" for n in range(2 * SLOTS)), "search?text=known", "status"]:
        clients.append(daemon.connect())
        clients[-1].sendall(f"GET /v1/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await daemon.until(lambda: "status" in daemon.service.asked)
    await daemon.until(lambda: SearchRequest(text="known") in daemon.service.asked)
    assert len(daemon.service.asked) <= SLOTS + 2  # as many new ones as one client may
    daemon.service.gate.set()
    for client in clients:
        assert (await asyncio.to_thread(client.recv, 100)).startswith(b"HTTP/1.1 200")
        client.close()


@pytest.mark.parametrize("path", ["rescan", "retry", "pause", "resume", "checkpoint", "rebuild"])
async def test_who_sets_the_daemon_to_work_again_and_again_rests_in_between(
    start, monkeypatch, path
):
    monkeypatch.setattr(concurrency, "_UPKEEP_REST_S", 86_400.0)
    daemon = await start()
    assert (await daemon.ask("POST", f"/v1/{path}")).status == 200
    with daemon.connect() as again:
        again.sendall(b"POST /v1/retry HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        for _ in range(3):
            assert (await daemon.ask("GET", "/v1/search?text=x")).status == 200
        again.setblocking(False)
        with pytest.raises(BlockingIOError):
            again.recv(1)


async def test_a_client_that_floods_does_not_keep_others_out(start, monkeypatch):
    monkeypatch.setattr(connection_module, "MAX_CONNECTIONS_PER_CLIENT", 3)
    daemon = await start()
    daemon.service.gate = asyncio.Event()
    asking = [asyncio.create_task(daemon.ask("GET", "/v1/status")) for _ in range(3)]
    await daemon.until(lambda: len(daemon.service.asked) == 3)
    program = (
        "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(b'GET /v1/nothing HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); print(s.recv(20))"
    )
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, daemon.path, stdout=subprocess.PIPE
    )
    answer, _ = await other.communicate()
    assert b"404" in answer
    daemon.service.gate.set()
    await asyncio.gather(*asking)


PATIENT = {"timeout_s": 86_400, "idle_timeout_s": 86_400.0}  # what stalls, stalls for good
STALLED = {
    "small": post(10) + b"{",
    "large": post(2_000_000) + b"{",
    "endless": CHUNKED + b"5\r\n{",
    "lasting": CHUNKED.replace(b"search", b"sync") + b"5\r\n{",
    "listening": post(2_000_000).replace(b"search", b"search/live") + b"{",
}


@pytest.mark.parametrize("kind", STALLED)
async def test_a_body_that_stalls_holds_no_small_request_up(start, kind):
    """Not even one of the same client: what waits for its body has no place among requests."""
    daemon = await start(**PATIENT)
    stalled = [daemon.connect() for _ in range(SLOTS)]
    for client in stalled:
        client.sendall(STALLED[kind])
    async with asyncio.timeout(DEADLINE_S):
        for _ in range(5):
            assert (await daemon.ask("GET", "/v1/search?text=x")).status == 200
    for client in stalled:
        client.close()


@pytest.mark.parametrize("kind", ["large", "lasting"])
async def test_a_body_that_does_not_come_in_time_is_no_error_of_ours(start, kind, caplog):
    daemon = await start(timeout_s=0.2)
    client = daemon.connect()
    client.sendall(STALLED[kind])
    answer = await received(client)
    assert (status(answer), body(answer)["code"]) == (504, "timeout")
    await daemon.until(lambda: daemon.server.connections() == 0)  # its rest is waited for
    assert "Traceback" not in caplog.text


UPLOAD = """
import json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
body = json.dumps({"image": {"data": "A" * 1_200_000}}).encode()
head = f"POST /v1/search HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n"
s.sendall(head.encode() + body)
print(s.recv(20))
"""


@pytest.mark.parametrize("kind", ["large", "endless", "lasting", "listening"])
async def test_uploads_that_stall_hold_no_other_client_up(start, kind):
    daemon = await start(**PATIENT)
    stalled = [daemon.connect() for _ in range(LARGE_BODIES_AT_ONCE + 2)]
    for client in stalled:
        client.sendall(STALLED[kind])
    for _ in range(10):  # until they are being read
        await daemon.ask("GET", "/v1/health")
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", UPLOAD, daemon.path, stdout=subprocess.PIPE
    )
    async with asyncio.timeout(DEADLINE_S):
        answer, _ = await other.communicate()
    assert b"200" in answer
    for client in stalled:
        client.close()


async def test_while_others_wait_a_slow_upload_gives_its_place_up(daemon, monkeypatch):
    monkeypatch.setattr(request_bodies, "GRACE_S", 0.2)
    slow = [daemon.connect() for _ in range(LARGE_BODIES_PER_CLIENT)]
    for client in slow:
        client.sendall(STALLED["large"])
    for _ in range(10):
        await daemon.ask("GET", "/v1/health")
    large = json.dumps({"image": {"data": "A" * 1_200_000}})
    assert (await daemon.ask("POST", "/v1/search", large)).status == 200
    answer = await received(slow[0])
    assert (status(answer), body(answer)["code"]) == (503, "busy")
    slow[1].close()


async def test_where_open_files_run_out_clients_are_refused_and_health_says_so(
    start, monkeypatch, caplog
):
    daemon = await start()
    held = [daemon.connect() for _ in range(5)]
    await daemon.until(lambda: daemon.server.connections() == 5)
    monkeypatch.setattr(listener.OpenFiles, "leaves_enough", lambda files, _: files.run_out())
    answer = await daemon.ask("GET", "/v1/health")  # takes the place of an idle one
    assert answer.json["status"] == "degraded", answer.body
    assert "LimitNOFILE" in answer.json["reasons"][0]
    assert "Traceback" not in caplog.text
    assert caplog.text.count("open files") == 1
    for client in held:
        client.close()


async def test_a_body_rests_for_a_multiple_of_what_it_takes(monkeypatch):
    rests = []

    async def sleep(seconds):
        rests.append(seconds)

    monkeypatch.setattr(courtesy.asyncio, "sleep", sleep)
    resting = courtesy.Courtesy()
    for _ in range(1000):
        await resting.rest(0.00005)
    assert sum(rests) >= courtesy._TIMES * 0.049
    assert len([rest for rest in rests if rest]) < 300  # each takes a millisecond at the least


async def test_of_a_body_no_more_is_read_than_is_taken(start, monkeypatch):
    taken = asyncio.Event()

    async def waits(*_):
        await taken.wait()

    daemon = await start()
    monkeypatch.setattr(courtesy.Courtesy, "rest", waits)
    client = daemon.connect()
    client.settimeout(0.5)
    client.sendall(CHUNKED)
    with pytest.raises(TimeoutError):  # the kernel takes some of it
        await asyncio.to_thread(client.sendall, b"1\r\n \r\n" * 500_000)

    def requests():
        found = (each._current_request for each in daemon.server._runner.server.connections)
        return [request for request in found if request is not None]

    await daemon.until(requests)
    (request,) = requests()
    assert request.content.total_bytes < 20_000
    taken.set()
    client.close()


async def test_who_is_refused_waits_and_is_told_one_time_after_the_other(start, monkeypatch):
    daemon = await start()
    daemon.service.error = BusyError("too many")
    monkeypatch.setattr(courtesy, "_REFUSAL_S", 0.3)
    monkeypatch.setattr(courtesy, "_BETWEEN_REFUSALS_S", 0.2)

    async def refused():
        began = time.monotonic()
        answer = await daemon.ask("GET", "/v1/stats")
        assert (answer.status, answer.json["code"]) == (503, "busy")
        return time.monotonic() - began

    took = sorted(await asyncio.gather(*[refused() for _ in range(4)]))
    assert took[0] >= 0.3
    assert took[-1] >= 0.3 + 3 * 0.2


async def test_who_is_refused_makes_room_for_others_first(start, monkeypatch):
    monkeypatch.setattr(connection_module, "MAX_CONNECTIONS_PER_CLIENT", 3)
    daemon = await start()
    daemon.service.error = BusyError("too many")
    monkeypatch.setattr(courtesy, "_REFUSAL_S", 86_400.0)
    monkeypatch.setattr(courtesy, "_LONGEST_REFUSAL_S", 86_400.0)
    refused = [daemon.connect() for _ in range(3)]
    for client in refused:
        client.sendall(b"GET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n")
    await daemon.until(lambda: len(daemon.service.asked) == 3)
    await daemon.until(
        lambda: all(c.stage is Stage.IDLE for c in daemon.server._runner.server.connections)
    )
    daemon.service.error = None
    assert (await daemon.ask("GET", "/v1/health")).status == 200
    for client in refused:
        client.close()


def test_beside_others_clients_are_let_in_after_a_rest():
    """Alone as often as it likes; whoever comes first is let in at once, whatever others do."""
    pace, flood, person = (
        listener.Pace(),
        ClientIdentity("process", 1),
        ClientIdentity("process", 2),
    )
    for now in (10.0, 10.0001, 10.0002):
        assert pace.turn(flood, 1) <= now
        pace.note(flood, now)
    assert pace.turn(person, 2) <= 10.0002
    pace.note(person, 10.0002)
    assert pace.turn(flood, 1) == pytest.approx(10.0002 + listener._PACE_S)
    assert pace.turn(flood, 9) == pytest.approx(10.0002 + 9 * listener._PACE_S)
    pace.note(flood, 12.0)
    assert pace.turn(flood, 1) <= 12.0, "nobody else has come for more than a second"


FLOOD = """
import socket, sys
print("begun", flush=True)
while True:
    client = socket.socket(socket.AF_UNIX)
    client.connect(sys.argv[1])
    client.close()
"""


async def test_floods_of_connections_share_one_pace(start, monkeypatch):
    """However many processes connect all the time, so many are let in and no more."""
    let_in = []
    note = listener.Pace.note

    def noted(pace, client, now):
        let_in.append((client, now))
        note(pace, client, now)

    monkeypatch.setattr(listener.Pace, "note", noted)
    monkeypatch.setattr(listener, "_PACE_S", 0.02)
    daemon = await start()
    floods = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", FLOOD, daemon.path, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    try:
        for flood in floods:
            await flood.stdout.readline()
        await daemon.until(lambda: len({client for client, _ in let_in}) == len(floods))
        del let_in[:]
        await daemon.until(lambda: len(let_in) > 100)
        (bound,) = daemon.server._listeners
        await daemon.until(lambda: bound._refused_at is not None)
    finally:
        for flood in floods:
            flood.kill()
            await flood.wait()
    await daemon.until(lambda: bound._refused_at is None)  # it is over
    assert len(let_in) / (let_in[-1][1] - let_in[0][1]) < 2 / 0.02


async def test_the_kernel_keeps_as_many_waiting_as_one_client_may_have(start):
    """So who comes beyond waits in `connect`, and whoever comes waits for no more than these."""
    daemon = await start()
    (bound,) = daemon.server._listeners
    asyncio.get_running_loop().remove_reader(bound.socket.fileno())  # it accepts nobody

    def waiting(clients):
        count = 0
        for _ in range(4 * MAX_CONNECTIONS_PER_CLIENT):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            count += client.connect_ex(daemon.path) == 0
        return count

    with contextlib.ExitStack() as clients:
        bound._note_flood()
        in_flood = waiting(clients)
        assert in_flood in {listener._BACKLOG_IN_FLOOD, listener._BACKLOG_IN_FLOOD + 1}
        bound._refused_at -= listener._CALM_S
        bound._calm()
        most = MAX_CONNECTIONS_PER_CLIENT
        assert in_flood + waiting(clients) in {most, most + 1}


@pytest.mark.parametrize(("end", "gone"), [("close", True), ("shutdown", False), ("", False)])
def test_who_has_hung_up_is_not_let_in(end, gone):
    here, there = socket.socketpair()
    with here, there:
        there.sendall(HEALTH[:9])
        if end == "shutdown":
            there.shutdown(socket.SHUT_WR)  # it still reads
        elif end:
            there.close()
        assert listener._has_gone(here) is gone
