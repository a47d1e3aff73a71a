"""The notify protocol, spoken by a real daemon to a real datagram socket."""

import contextlib
import queue
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from running import DEADLINE_S, Connection, RunningDaemon

WATCHDOG_S = 1.5


class Manager:
    """The service manager's end: takes messages as they come, each beside when it came."""

    def __init__(self, path):
        self.address = str(path)
        self.messages = queue.Queue()
        self.on_ready = lambda: None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while message := self._socket.recv(4096):
            if message == b"READY=1":
                self.on_ready()
            self.messages.put(message.decode())

    def next(self, prefix):
        """Return the next message that begins so; others before it are dropped."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            message = self.messages.get(timeout=max(0.01, deadline - time.monotonic()))
            if message.startswith(prefix):
                return message

    def is_silent(self, prefix, for_s):
        """Return whether no such message comes for a while."""
        deadline = time.monotonic() + for_s
        with contextlib.suppress(queue.Empty):
            while (left := deadline - time.monotonic()) > 0:
                if self.messages.get(timeout=left).startswith(prefix):
                    return False
        return True

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", self.address)


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


@pytest.fixture
def supervised(manager, tmp_path):
    """A function that starts a daemon under the manager."""
    daemons = []

    def start(*folders, module="imgvecd.cli.main", **env):
        env = {
            "NOTIFY_SOCKET": manager.address,
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
            "PYTHONPATH": str(Path(__file__).parents[1]),
            **env,
        }
        daemons.append(
            RunningDaemon(tmp_path / "home", folders, module=module, env=env, wait=False)
        )
        return daemons[-1]

    yield start
    for daemon in daemons:
        daemon.kill()


def test_from_ready_to_stopping(manager, supervised, shipped_photos):
    answers = []

    def ask():
        connection = Connection(daemon.socket)
        connection.request("GET", "/v1/health")
        answers.append(connection.getresponse().status)

    manager.on_ready = ask
    daemon = supervised(shipped_photos)
    manager.next("READY=1")
    assert answers == [200]  # at the very moment of READY
    shown = []
    while not shown or shown[-1] != "STATUS=idle: 8 photos can be searched":
        shown.append(manager.next("STATUS="))
    assert not any(name in line for line in shown for name in ("Fotos", "cat", "/"))

    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    daemon.process.send_signal(signal.SIGHUP)
    _, _, reloaded_us = manager.next("RELOADING=1").partition("\nMONOTONIC_USEC=")
    assert before_us <= int(reloaded_us) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.next("READY=1")

    daemon.process.send_signal(signal.SIGTERM)
    manager.next("STOPPING=1")
    assert daemon.process.wait(DEADLINE_S) == 0


@pytest.mark.long
@pytest.mark.parametrize(
    "part",
    [
        "loop",
        pytest.param("catalog", marks=pytest.mark.nightly),
        pytest.param("index", marks=pytest.mark.nightly),
    ],
)
def test_the_watchdog_is_fed_until_a_part_hangs(manager, supervised, tmp_path, part):
    (tmp_path / "photos").mkdir()
    daemon = supervised(tmp_path / "photos", module="hanging_daemon", HANGS=part)
    manager.next("STATUS=idle")
    for _ in range(3):
        manager.next("WATCHDOG=1")
    connection = Connection(daemon.socket)
    connection.request("GET", "/v1/stats")
    daemon.wait_until(lambda: "hangs from now on" in daemon.tail())
    if part != "loop":  # at its next call
        connection.getresponse()
    connection.close()
    while not manager.is_silent("WATCHDOG=1", 0.9 * WATCHDOG_S):
        pass  # one that was on its way
    assert manager.is_silent("WATCHDOG=1", 2 * WATCHDOG_S)
    assert daemon.process.poll() is None

    daemon.process.send_signal(signal.SIGABRT)  # what systemd does then
    assert daemon.process.wait(DEADLINE_S) == -signal.SIGABRT
    assert "in hang_for_ever" in daemon.log.read_text()  # with however many threads after it


def test_sigusr1_shows_the_threads_even_if_the_event_loop_hangs(supervised, tmp_path):
    (tmp_path / "photos").mkdir()
    daemon = supervised(tmp_path / "photos", module="hanging_daemon", HANGS="loop")
    daemon.wait_until(daemon.answers)
    connection = Connection(daemon.socket)
    connection.request("GET", "/v1/stats")
    daemon.wait_until(lambda: "hangs from now on" in daemon.tail())
    daemon.process.send_signal(signal.SIGUSR1)
    daemon.wait_until(lambda: "in hang_for_ever" in daemon.log.read_text())
    connection.close()
