"""A stand-in for the daemon that answers what a test tells it to, and a way to run `imgvec`."""

from __future__ import annotations

import http.server
import os
import socketserver
import subprocess
import sys
import threading

import msgspec
import pytest


class Server(socketserver.ThreadingUnixStreamServer):
    """Answers by (method, path); remembers the requests."""

    daemon_threads = True

    def __init__(self, path):
        self.answers = {}
        self.asked = []
        super().__init__(path, Handler)

    def on(self, method, url, answer, status=200):
        body = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
        self.answers[method, url] = status, body


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, body))
        status, answer = self.server.answers[self.command, self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  # http.server's names

    def address_string(self):
        return "unix"

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path):
    server = Server(str(tmp_path / "s"))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def environment(tmp_path, server):
    clean = {name: value for name, value in os.environ.items() if "IMGVECD" not in name}
    return {**clean, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")} | {
        "IMGVECD_SOCKET": server.server_address
    }


@pytest.fixture
def imgvec(environment):
    def run(*arguments, stdin=None, **changes):
        return subprocess.run(
            [sys.executable, "-m", "imgvecd.client.main", *arguments],
            env={**environment, **changes},
            input=stdin,
            capture_output=True,
            check=False,
            timeout=30,
        )

    return run
