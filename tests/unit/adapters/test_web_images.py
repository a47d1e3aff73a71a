"""Fetching from the web: the limits, against a local server that is allowed for once."""

import http.server
import threading
from typing import Any

import pytest

from imgvecd.adapters import web_images
from imgvecd.errors import BadRequestError, TooLargeError, UnreadableImageError

BODY = b"picture" * 1000


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_GET(self):
        self.server.asked.append(self.path)
        status, headers, body = self.server.answers[self.path]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for piece in body:
                if callable(piece):
                    piece()
                else:
                    self.wfile.write(piece)
        except OSError:
            pass
        self.close_connection = True

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.answers = {}
    server.asked = []
    server.stopping = threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.stopping.set()
    server.shutdown()
    thread.join()
    server.server_close()


def image(body=(BODY,), **headers):
    return 200, {"Content-Type": "image/jpeg", **headers}, body


def anything(_address):
    return True


def test_an_image_is_fetched_through_redirects(server):
    server.answers = {
        "/a?x=1": (302, {"Location": "b%20c", "Content-Length": "0"}, ()),
        "/b%20c": image(**{"Content-Length": str(len(BODY))}),
    }
    assert web_images.fetch(f"{server.url}/a?x=1", allowed=anything) == BODY


@pytest.mark.parametrize("length", [{}, {"Content-Length": str(len(BODY))}])
def test_more_than_the_limit_is_not_read(server, length):
    server.answers["/"] = image(**length)
    with pytest.raises(TooLargeError, match="larger than 6,999"):
        web_images.fetch(server.url, max_bytes=6999, allowed=anything)
    assert web_images.fetch(server.url, max_bytes=7000, allowed=anything) == BODY


def test_a_body_that_ends_early_is_no_image(server):
    server.answers["/"] = image(**{"Content-Length": str(len(BODY) + 1)})
    with pytest.raises(UnreadableImageError):
        web_images.fetch(server.url, allowed=anything)


@pytest.mark.parametrize("where", ["header", "body"])
def test_what_drips_is_ended_in_time(server, where):
    def drip():
        yield b"" if where == "body" else b"HTTP/1.1"
        while not server.stopping.wait(0.05):
            yield b"x"

    server.answers["/"] = image(drip())
    if where == "header":
        server.answers["/"] = (200, {"X": "y"}, drip())
    with pytest.raises(UnreadableImageError) as caught:
        web_images.fetch(server.url, timeout_s=0.5, allowed=anything)
    assert caught.value.reason == "timeout"


def test_what_says_it_is_no_image_is_not_read(server):
    server.answers["/"] = (200, {"Content-Type": "text/html"}, (BODY,))
    with pytest.raises(UnreadableImageError, match="text/html"):
        web_images.fetch(server.url, allowed=anything)


def test_errors_and_loops_are_told(server):
    server.answers["/gone"] = (404, {"Content-Length": "0"}, ())
    with pytest.raises(UnreadableImageError, match="404"):
        web_images.fetch(f"{server.url}/gone", allowed=anything)
    server.answers["/"] = (301, {"Location": "/", "Content-Length": "0"}, ())
    with pytest.raises(BadRequestError, match="redirects"):
        web_images.fetch(server.url, allowed=anything)
    assert len(server.asked) == 7


def test_addresses_are_asked_for_at_every_redirect(server):
    host = server.url.replace("127.0.0.1", "localhost")
    server.answers["/"] = (302, {"Location": f"{host}/inner", "Content-Length": "0"}, ())
    server.answers["/inner"] = image()
    allowed = iter([True])
    with pytest.raises(BadRequestError, match="not a public address"):
        web_images.fetch(server.url, allowed=lambda _: next(allowed, False))
    assert server.asked == ["/"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://10.1.2.3/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::a00:1]/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://224.0.0.1/",
        "file:///etc/passwd",
        "ftp://example.org/a.jpg",
        "http://user:secret@example.org/",
        "http://",
        "http://example.org:99999/",
    ],
)
def test_nothing_but_the_public_web_is_asked(url):
    with pytest.raises(BadRequestError) as caught:
        web_images.fetch(url)
    assert "secret" not in str(caught.value)
