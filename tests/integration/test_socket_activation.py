"""A socket that the service manager opened starts the daemon on the first request."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest
from running import DEADLINE_S, wait_until

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None,
    reason="systemd-socket-activate is not installed",
)


def health(path):
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(DEADLINE_S)
    try:
        connection.sock.connect(path)
        connection.request("GET", "/v1/health")
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_first_request_starts_the_daemon_and_is_answered(tmp_path):
    path = str(tmp_path / "imgvecd.sock")
    photos = tmp_path / "photos"
    photos.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(DEADLINE_S)
        environment = {
            **os.environ,
            "HOME": str(tmp_path),
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        passed = [f"--setenv={name}" for name in ("HOME", "NOTIFY_SOCKET", "PYTHONPATH", "PATH")]
        serve = [sys.executable, "-m", "imgvecd.cli.main", "serve", "--root", str(photos)]
        process = subprocess.Popen(
            ["systemd-socket-activate", "-l", path, *passed, *serve],
            env=environment,
        )
        try:
            wait_until(lambda: os.path.exists(path))
            assert health(path) == 200
            assert b"READY=1" in manager.recv(1000)
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0
            while b"STOPPING=1" not in manager.recv(1000):
                pass  # lines about its progress
            assert os.path.exists(path)  # it is the service manager's
        finally:
            process.kill()
            process.wait()
