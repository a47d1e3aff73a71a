"""Who may do what: every route of the API as its owner, a member of the group, and a stranger."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import subprocess
import sys

import pytest
from running import DEADLINE_S

from imgvecd.server import forms
from imgvecd.server.openapi import document
from tests.unit.server.test_server_tcp import Tcp
from tests.unit.server.test_server_users import GROUP, as_other_user, open_folder

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
__all__ = ["open_folder"]  # a fixture
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in json.loads(document())["paths"].items()
    for method, operation in methods.items()
]
READING = {
    "GET /v1/health",
    "GET /v1/status",
    "GET /v1/stats",
    "GET /v1/search",
    "POST /v1/search",
    "POST /v1/search/batch",
    "GET /v1/search/live",
    "POST /v1/search/live",
    "POST /v1/classify",
    "POST /v1/duplicates/check",
    "GET /v1/images",
    "GET /v1/images/{id}",
    "GET /v1/images/{id}/thumbnail",
    "GET /v1/images/{id}/original",
    "GET /v1/images/{id}/film",
    "POST /v1/images/lookup",
    "GET /v1/timeline",
    "GET /v1/timeline/{month}",
    "GET /v1/facets",
    "GET /v1/positions",
    "GET /v1/changes",
    "GET /v1/failures",
    "GET /v1/events",
    "GET /v1/metrics",
    "GET /v1/openapi.json",
}
"""What members may do. Whatever is added to the API is the owner's, until it is added here."""


def test_the_document_says_what_members_may_do():
    told = {f"{method} {path}" for method, path, operation in OPERATIONS if operation["x-members"]}
    assert told == READING


def url_of(path):
    return re.sub(r"\{\w+\}", "7", path)


ASK_ALL = """
import http.client, json, os, socket, sys
path, group, operations = sys.argv[1:]
os.setgroups([int(group)])
os.setgid(65534)
os.setuid(65534)
for method, url in json.loads(operations):
    client = http.client.HTTPConnection("localhost")
    client.sock = socket.socket(socket.AF_UNIX)
    try:
        client.sock.connect(path)
        client.request(method, url, None if method == "GET" else "{}", {})
        print(client.getresponse().status)
    except (PermissionError, ConnectionError, http.client.HTTPException):
        print("not let in")
    client.sock.close()
"""


@as_root
async def test_every_route_as_member_and_as_stranger(start, open_folder):
    daemon = await start(socket=f"{open_folder}/imgvecd/socket", group=str(GROUP))
    asked = json.dumps([(method, url_of(path)) for method, path, _ in OPERATIONS])

    async def statuses(group):
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ASK_ALL, daemon.path, str(group), asked, stdout=subprocess.PIPE
        )
        shown, _ = await other.communicate()
        return shown.decode().splitlines()

    for (method, path, _), status in zip(OPERATIONS, await statuses(GROUP), strict=True):
        assert (status == "403") == (f"{method} {path}" not in READING), (method, path, status)
    answered = await as_other_user(
        daemon, "POST", "/v1/classify", '{"labels": ["x"], "write_tags": true}'
    )
    assert answered[0] == 403
    os.chmod(os.path.dirname(daemon.path), 0o755)  # noqa: S103  # the very fault
    os.chmod(daemon.path, 0o666)  # noqa: S103
    assert set(await statuses(GROUP + 1)) == {"not let in"}


@pytest.fixture
async def patient(start):
    return await start(timeout_s=5)


async def test_every_route_as_owner(patient):
    for method, path, _ in OPERATIONS:
        if path in {"/v1/events", "/v1/search/live"}:
            continue  # endless
        answer = await patient.ask(method, url_of(path), None if method == "GET" else b"{}")
        assert answer.status != 403, (method, path)


CHANGING = [(method, path) for method, path, _ in OPERATIONS if method != "GET"]


@pytest.mark.parametrize(("method", "path"), CHANGING)
async def test_what_a_page_can_send_unasked_is_refused(daemon, method, path):
    for kind in ("text/plain", "text/plain;charset=application/json", "application/xml"):
        answer = await daemon.ask(method, url_of(path), b"{}", {"Content-Type": kind})
        assert (answer.status, answer.json["code"]) == (415, "unsupported_media_type"), kind
        assert "application/json" in answer.json["detail"]
    assert daemon.service.asked == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
async def test_over_tcp_nothing_but_json_is_json(start, tmp_path, kind):
    daemon = await start(tcp="127.0.0.1:0", token_file=str(tmp_path / "token"))
    tcp = Tcp(daemon, tmp_path / "token")

    def ask(kind):
        connection = http.client.HTTPConnection("127.0.0.1", tcp.port, timeout=DEADLINE_S)
        headers = {"Authorization": f"Bearer {tcp.token}"}
        headers |= {"Content-Type": kind} if kind else {}
        try:
            connection.request("POST", "/v1/pause", b"{}", headers)
            return connection.getresponse().status
        finally:
            connection.close()

    assert await asyncio.to_thread(ask, kind) == 415
    assert await asyncio.to_thread(ask, "application/json") == 200


def form(*heads_and_contents, boundary=b"b", preamble=b""):
    lines = [preamble] if preamble else []
    for head, content in heads_and_contents:
        lines += [b"--" + boundary, head, b"", content]
    return b"\r\n".join([*lines, b"--" + boundary + b"--", b""])


def field(name):
    return b'Content-Disposition: form-data; name="%s"' % name


KIND = "multipart/form-data; boundary=b"


async def parts(body, kind):
    return [(name, bytes(data)) async for name, data in forms.parts(body, kind)]


async def test_a_form_is_read():
    body = form(
        (field(b"text"), b"a dog"),
        (b"X: y\r\n" + field(b"image") + b'; filename="name.jpg"', b"\r\n--not\r\n\0"),
        (field(b"empty"), b""),
        preamble=b"\n" * 1000,
    )
    assert await parts(body, KIND) == [
        ("text", b"a dog"),
        ("image", b"\r\n--not\r\n\0"),
        ("empty", b""),
    ]
    assert not await parts(b"--b--", 'multipart/form-data; boundary="b"')


BROKEN = {
    "no boundary": (b"", "multipart/form-data"),
    "another boundary": (form((field(b"x"), b"")), "multipart/form-data; boundary=c"),
    "a boundary in Latin-1": (b"", "multipart/form-data; boundary=\xe9"),
    "no end": (form((field(b"x"), b"y"))[:-8], KIND),
    "no head": (b"--b\r\n\r\nx\r\n--b--", KIND),
    "endless head": (b"--b\r\n" + b"X: y\r\n" * 100_000 + b"\r\n\r\n--b--", KIND),
    "no name": (form((b"Content-Disposition: form-data", b"y")), KIND),
    "many parts": (form(*[(field(b"x"), b"")] * 1000), KIND),
    "line breaks": (b"\n" * 1_000_000, KIND),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_form_is_a_bad_request(daemon, kind):
    body, content_type = BROKEN[kind]
    answer = await daemon.ask("POST", "/v1/search", body, {"Content-Type": content_type})
    assert (answer.status, answer.json["code"]) == (400, "bad_request")
    assert answer.json["detail"].startswith("Form: ")


VALUES = {
    "terms": b'{"terms": [' + b'{"text": "x"},' * 250_000 + b'{"text": "x"}]}',
    "an object": b"{" + b'"a": {},' * 300_000 + b'"b": 0}',
    "depth": b'{"terms": ' + b"[" * 300_000,
    "a tag list": b'{"text": "x", "filters": {"tags": [' + b'"a",' * 500 + b'"b"]}}',
    "a long number": b'{"limit": ' + b"1" * 1_000_000 + b"}",
    "a large exponent": b'{"text": "x", "min_score": 1e999}',
    "no number": b'{"text": "x", "min_score": NaN}',
}


@pytest.mark.parametrize("kind", VALUES)
async def test_json_of_any_shape_is_answered_at_once(daemon, kind):
    answer = await daemon.ask(
        "POST", "/v1/search", VALUES[kind], {"Content-Type": "application/json"}
    )
    assert answer.status == 400
    assert daemon.service.asked == []


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "NaN"])
async def test_a_number_in_a_query_string_is_a_number(daemon, value):
    for field_name in ("min_score", "min_relevance"):
        answer = await daemon.ask("GET", f"/v1/search?text=x&{field_name}={value}")
        assert answer.status == 400
