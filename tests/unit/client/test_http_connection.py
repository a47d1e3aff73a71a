"""A request that may have been done is not sent again."""

from __future__ import annotations

import socket
import threading

import pytest

from imgvecd import api
from imgvecd.client.http_connection import DaemonConnection
from imgvecd.errors import DaemonUnreachableError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server(threading.Thread):
    """Answers each connection's requests by a script: an answer, or None to hang up."""

    def __init__(self, path, *scripts):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.scripts = scripts
        self.heard = []
        self.hung_up = threading.Event()
        self.start()

    def run(self):
        for script in self.scripts:
            client, _ = self.listener.accept()
            with client:
                for answer in script:
                    request = client.recv(65536)
                    self.heard.append(request.split(b" ")[0])
                    if answer is None:
                        break
                    client.sendall(answer)
            self.hung_up.set()


@pytest.mark.parametrize(("method", "sent"), [("get", 3), ("post", 2)])
def test_what_was_seen_before_the_end_is_repeated_only_if_it_reads(tmp_path, method, sent):
    server = Server(str(tmp_path / "s"), [OK, None], [OK])
    connection = DaemonConnection(str(tmp_path / "s"))
    connection.get("/v1/status")
    if method == "get":
        assert connection.get("/v1/status") == b"{}"
    else:
        with pytest.raises(DaemonUnreachableError):
            connection.post("/v1/rebuild", api.RescanRequest())
    assert len(server.heard) == sent
    connection.close()


def test_a_connection_that_ended_while_it_was_idle_costs_no_request(tmp_path):
    server = Server(str(tmp_path / "s"), [OK], [OK])
    connection = DaemonConnection(str(tmp_path / "s"))
    connection.get("/v1/status")
    assert server.hung_up.wait(10)
    assert connection.post("/v1/rebuild", api.RescanRequest()) == b"{}"
    assert server.heard == [b"GET", b"POST"]
    connection.close()
