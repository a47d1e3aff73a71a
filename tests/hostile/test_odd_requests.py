"""Whatever stands in a request, no answer is a 500, and nothing keeps the daemon at it for long.

The requests are made from the OpenAPI document: each field of each body, each parameter and each
part of a path in turn holds what nobody expects there; and so do methods, heads and addresses.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import shutil
import socket
import urllib.parse
from pathlib import Path

import pytest
from running import DEADLINE_S, Connection, RunningDaemon

from imgvecd.server.openapi import document

TESTS = Path(__file__).parent.parent
DOCUMENT = json.loads(document())
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
MOST_S = 1.0  # processor time of the daemon for one request
DEPTH = 2  # of fields within fields
JSON = {"Content-Type": "application/json"}
VALUES = {
    "null": "null",
    "a truth": "true",
    "no number": "NaN",
    "infinity": "-Infinity",
    "a large exponent": "1e999",
    "a number of a thousand digits": "9" * 1000,
    "a number of many digits": "9" * 100_000,
    "beyond 64 bits": "18446744073709551616",
    "the least": "-9223372036854775808",
    "half a pair": '"\\ud800"',
    "a NUL": '"a\\u0000b"',
    "an empty text": '""',
    "a long text": f'"{"a" * 100_001}"',
    "quotes": json.dumps('"a" ' * 24_000),
    "dots": json.dumps("../" * 1000),
    "a list in a list": "[" * 3000 + "]" * 3000,
    "an endless list": "[" * 100_000,
    "an object in an object": '{"a":' * 3000 + "0" + "}" * 3000,
    "many nulls": f"[{'null,' * 20_000}null]",
    "many texts": json.dumps([str(number) for number in range(20_000)]),
    "twice": '{"a": 1, "a": 2}',
    "marks": json.dumps("e" + "\u0301\u0323" * 20_000),
}
BODIES = {
    "nothing": b"",
    "no JSON": b"}{",
    "two": b"{}{}",
    "a list": b"[]",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"text": "x"}'.encode("utf-16"),
    "no UTF-8": b'{"text": "\xff\xfe"}',
    "comments": b"{} // and more",
    "spaces": b" " * 1_000_000,
    "NUL bytes": bytes(1000),
}
TEXTS = (
    "", "%00", "%FF", "%ED%A0%80", "nan", "-1", "1e9", "9" * 4000, "%7B%22a%22:1,%22a%22:2%7D",
    "%5B" * 2000, "..%2F..%2Fetc", "%22a%22%20" * 700, "a&a=b", "%F0%9F%90%88" * 500, "*%5B!" * 900,
)  # fmt: skip
PARTS = (
    "0", "-1", "9" * 30, "%2E%2E", "%00", "%FF", "%C3%A4", "1%2F2", "..", ".", "%20", "a" * 4000,
    "%25", "7%3Fx", "%ED%A0%80", "%E2%80%AE", "2024-13", "0000-00",
)  # fmt: skip
ADDRESSES = (
    "//v1/health", "/v1//health", "/v1/./health", "/v1/../v1/health", "/v1/%2e%2e/v1/status",
    "/V1/HEALTH", "/v1/health/", "/v1/health%00", "/v1/health;x=1", "/v1/health#x", "/v1%2Fhealth",
    "*", "v1/health", "http://x/v1/health", "http://[::1/v1/health", "//", "/..", "/%", "/%zz",
    "/?", "/v1/images/7/../8", "/v1/images//original", "\xff",
)  # fmt: skip
METHODS = ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PATCH", "PUT", "DELETE", "BREW", "get", "PRI")
HEADS = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\n",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n",
    "Expect: 100-continue\r\nContent-Length: 2\r\n",
    "Expect: something\r\n",
    "Range: bytes=" + ",".join(f"{n}-{n}" for n in range(800)) + "\r\n",
    "Range: bytes=0-,0-,0-,0-,0-\r\n",
    "Range: bytes=-0\r\n",
    "Range: bytes=" + "9" * 4000 + "-\r\n",
    "If-None-Match: " + ",".join(['W/"x"'] * 1000) + "\r\n",
    "If-Modified-Since: Thu, 99 Foo 99999 99:99:99 GMT\r\n",
    "If-Range: x\r\nRange: bytes=1-0\r\n",
    "Last-Event-ID: " + "9" * 5000 + "\r\n",
    "Accept: application/x-ndjson;q=nan, " + "*/*;" * 1000 + "\r\n",
    "Accept-Encoding: gzip, br, zstd;q=1e999\r\n",
    "Cookie: " + "a=b; " * 1500 + "\r\n",
    "Content-Type: multipart/form-data; boundary=\r\nContent-Length: 0\r\n",
    "Content-Type: application/json; charset=utf-7\r\nContent-Length: 2\r\n",
    "Content-Type: " + "a/b;" * 1000 + "\r\n",
    "Content-Length: 0\r\nContent-Length: 0\r\n",
    "Content-Length: " + "9" * 100 + "\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "X-HTTP-Method-Override: DELETE\r\n",
    "Host: a\r\nHost: b\r\n",
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    home = tmp_path_factory.mktemp("odd")
    shutil.copytree(TESTS / "data" / "photos", home / "photos")
    env = {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "ENCODED": os.devnull}
    settings = {"server__timeout_s": 5}
    daemon = RunningDaemon(home, [home / "photos"], settings, module="fast_daemon", env=env)
    daemon.sync()
    daemon.search("a dog")
    yield daemon
    assert "Traceback" not in daemon.log.read_text(), daemon.tail()
    assert daemon.stop() == 0


class Asker:
    """Asks the daemon one thing after the other, and looks at what each costs."""

    def __init__(self, daemon):
        self._daemon = daemon
        self._connection = Connection(daemon.socket)

    def ask(self, method, url, body=None, headers=None):
        """Return the status; the connection is another one where the daemon ended the last."""
        began = self._processor_s()
        try:
            self._connection.request(method, url, body, headers or {})
            response = self._connection.getresponse()
            if response.getheader("Content-Type") == "text/event-stream":
                self._connection.close()  # endless
            else:
                response.read()
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()
            return None
        took = self._processor_s() - began
        assert took < MOST_S, (method, url[:200], body and body[:200], took)
        assert response.status != 500, (method, url[:200], body and body[:200])
        return response.status

    def send(self, data):
        """Send bytes as they are; return the beginning of the answer."""
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self._daemon.socket))  # which waits where others fill the queue
            client.settimeout(DEADLINE_S)
            client.sendall(data)
            return client.recv(65536)

    def _processor_s(self):
        with open(f"/proc/{self._daemon.process.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def asker(daemon):
    return Asker(daemon)


def resolved(schema):
    while "$ref" in schema:
        found = DOCUMENT
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def bodies(schema, value, depth=DEPTH):
    """Yield bodies of which one field, however deep, holds a value that is JSON already."""
    schema = resolved(schema)
    yield value
    if depth == 0:
        return
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from itertools.islice(bodies(each, value, depth), 1, None)
    for name, below in schema.get("properties", {}).items():
        for body in bodies(below, value, depth - 1):
            yield f"{{{json.dumps(name)}: {body}}}"
    if "items" in schema:
        for body in bodies(schema["items"], value, depth):
            yield f"[{body}]"


def url_of(path, part="7"):
    head, *tails = path.split("{")
    return head + "".join(part + tail.partition("}")[2] for tail in tails)


TAKING = [
    name
    for name, operation in OPERATIONS.items()
    if "application/json" in operation.get("requestBody", {}).get("content", {})
]


@pytest.mark.parametrize("name", TAKING)
def test_no_body_is_an_error_of_ours_or_takes_long(asker, name):
    method, path = name.split()
    schema = OPERATIONS[name]["requestBody"]["content"]["application/json"]["schema"]
    for value in VALUES.values():
        for body in dict.fromkeys(bodies(schema, value)):
            asker.ask(method, url_of(path), body.encode(errors="surrogatepass"), JSON)
    for body in BODIES.values():
        asker.ask(method, url_of(path), body, JSON)
    fields = resolved(schema).get("properties", {})
    for field in fields:
        body = f'{{{json.dumps(field)}: "x", {json.dumps(field)}: 1, "": 0}}'
        asker.ask(method, url_of(path), body.encode(), JSON)


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_address_is_an_error_of_ours_or_takes_long(asker, name):
    method, path = name.split()
    body, headers = (None, {}) if method == "GET" else (b"{}", JSON)
    if "{" in path:
        for part in PARTS:
            asker.ask(method, url_of(path, part), body, headers)
    for parameter in OPERATIONS[name].get("parameters", ()):
        if parameter["in"] == "query":
            for text in TEXTS:
                url = f"{url_of(path)}?{urllib.parse.quote(parameter['name'])}={text}"
                asker.ask(method, url, body, headers)


@pytest.mark.parametrize("path", sorted({name.split()[1] for name in OPERATIONS}))
def test_no_method_or_head_is_an_error_of_ours(asker, path):
    url = url_of(path)
    requests = [f"{method} {url} HTTP/1.1\r\nHost: x\r\n" for method in METHODS]
    requests += [f"GET {url} HTTP/1.1\r\nHost: x\r\n{head}" for head in HEADS]
    for request in requests:
        body = b"{}" if "Length: 2" in request else b"0\r\n\r\n" * ("chunked" in request)
        answer = asker.send(request.encode() + b"Connection: close\r\n\r\n" + body)
        assert answer.startswith(b"HTTP/1."), (request[:200], answer[:200])
        status = int(answer.split(b" ")[1])
        assert status not in {101, 500}, (request[:200], answer)
        if f"GET {path}" not in OPERATIONS and request.startswith("GET"):
            assert status >= 400 or status == 100, (request[:200], answer)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_way_of_writing_an_address_leads_elsewhere(asker, address):
    for method in ("GET", "POST", "CONNECT"):
        request = f"{method} {address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = asker.send(request.encode("latin-1"))
        status = int(answer.split(b" ")[1])
        assert status in {200, 400, 403, 404, 405}, (request, answer)
        assert status == 200 or b"application/problem+json" in answer


def test_the_daemon_goes_on_as_before(daemon):
    daemon.sync()
    assert daemon.get("/v1/health")["status"] in {"ok", "degraded"}
    assert daemon.search("a dog")
