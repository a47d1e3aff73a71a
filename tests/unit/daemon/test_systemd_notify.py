"""sd_notify and LISTEN_FDS against real sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from running import DEADLINE_S

from imgvecd.daemon.systemd_notify import Notifier, passed_sockets


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """Yield (listening datagram socket, its address as systemd writes it)."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@imgvecd-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(name.replace("@", "\0"))
        receiver.settimeout(DEADLINE_S)
        yield receiver, name


def test_messages(manager):
    receiver, address = manager
    notifier = Notifier({"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.status("indexing\n50 %")
    notifier.watchdog()
    notifier.stopping()
    messages = [receiver.recv(1000).decode() for _ in range(4)]
    assert messages == [
        "READY=1",
        "STATUS=indexing 50 %",
        "WATCHDOG=1",
        "STOPPING=1",
    ]
    notifier.reloading()
    assert receiver.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_silent_without_a_manager_or_with_one_that_is_gone(tmp_path):
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


def test_the_variables_do_not_reach_the_workers():
    variables = {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1", "A": "b"}
    Notifier(variables)
    assert variables == {"A": "b"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_watchdog_interval(variables, expected):
    assert Notifier(variables).watchdog_s == expected


def test_sockets_are_taken_only_by_the_process_they_are_for():
    assert passed_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == []
    assert passed_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}) == []
    assert passed_sockets({}) == []


def test_a_passed_socket_is_usable_and_not_inherited(tmp_path):
    program = (
        "import os; os.environ['LISTEN_PID'] = str(os.getpid());"
        "from imgvecd.daemon.systemd_notify import passed_sockets; [s] = passed_sockets();"
        "print(s.getsockname(), s.getblocking(), os.get_inheritable(s.fileno()),"
        " 'LISTEN_FDS' in os.environ)"
    )
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        given = listener.fileno()
        done = subprocess.run(
            [sys.executable, "-c", f"import os; os.dup2({given}, 3);{program}"],
            env={**os.environ, "LISTEN_FDS": "1"},
            pass_fds=[given],
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.split() == [path, "False", "False", "False"]
