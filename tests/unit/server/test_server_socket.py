"""The socket file: who can reach it, who may take it, and what is left of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys

import pytest
from running import DEADLINE_S

from imgvecd.config.schema import ServerConfig
from imgvecd.errors import AlreadyRunningError, ConfigError
from imgvecd.server import app
from imgvecd.server.app import serve
from imgvecd.server.socket import OwnedSocket

exists = os.path.exists


def mode(path):
    return os.stat(path).st_mode & 0o777


def accepts(path):
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "run" / "imgvecd.sock")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_socket_and_folder_are_private_whatever_the_umask(path, umask):
    previous = os.umask(umask & 0o077)
    try:
        owned = OwnedSocket(path)
    finally:
        os.umask(previous)
    assert mode(path) == 0o600
    assert mode(os.path.dirname(path)) == 0o700
    owned.close()
    assert not exists(path)


def test_a_stale_socket_is_replaced(path):
    os.mkdir(os.path.dirname(path), 0o700)
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    OwnedSocket(path).close()


def test_a_socket_left_by_a_killed_process_is_replaced(path):
    program = (
        "import os, sys; from imgvecd.server.socket import OwnedSocket;"
        "OwnedSocket(sys.argv[1]); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", program, path], check=False)
    assert exists(path)
    OwnedSocket(path).close()


def test_a_second_daemon_is_refused_and_harms_nothing(path):
    owned = OwnedSocket(path)
    with pytest.raises(AlreadyRunningError, match="Another imgvecd"):
        OwnedSocket(path)
    assert exists(path)
    owned.close()


def test_another_program_that_listens_is_refused(path):
    os.mkdir(os.path.dirname(path), 0o700)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(path)
        other.listen()
        with pytest.raises(AlreadyRunningError, match="Another program"):
            OwnedSocket(path)
        assert exists(path)


def test_a_file_in_the_way_is_left_alone(path):
    os.mkdir(os.path.dirname(path), 0o700)
    with open(path, "w") as file:
        file.write("precious")
    with pytest.raises(ConfigError, match="not a socket"):
        OwnedSocket(path)
    with open(path) as file:
        assert file.read() == "precious"


def test_a_folder_that_others_can_write_to_is_refused(path):
    os.mkdir(os.path.dirname(path))
    os.chmod(os.path.dirname(path), 0o777)  # noqa: S103  # the very fault
    with pytest.raises(ConfigError, match="chmod 700"):
        OwnedSocket(path)


def test_a_path_that_is_too_long_is_named(tmp_path):
    with pytest.raises(ConfigError, match="longer than"):
        OwnedSocket(str(tmp_path / ("x" * 120)))


def test_close_leaves_a_successor_alone(path):
    first = OwnedSocket(path)
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(path)
        first.close()
        assert exists(path)


async def test_close_answers_what_is_under_way_and_then_is_gone(start):
    daemon = await start()
    daemon.service.gate = asyncio.Event()
    asking = asyncio.create_task(daemon.ask("GET", "/v1/status"))
    await daemon.until(lambda: daemon.service.asked)
    closing = asyncio.create_task(daemon.server.close())
    await daemon.until(lambda: not accepts(daemon.path))
    assert not closing.done()
    daemon.service.gate.set()
    assert (await asking).status == 200
    await closing
    assert not exists(daemon.path)


async def test_a_listening_socket_can_be_passed_in(start, tmp_path):
    given = socket.socket(socket.AF_UNIX)
    path = str(tmp_path / "given.sock")
    given.bind(path)
    given.listen()
    given.setblocking(False)
    daemon = await start()
    server = await serve(daemon.service, ServerConfig(), listener=given)
    daemon.path = path
    assert (await daemon.ask("GET", "/v1/health")).status == 200
    await server.close()
    assert exists(path)  # systemd owns it


@pytest.mark.parametrize("what", ["socket", "folder", "replaced"])
async def test_a_socket_that_goes_missing_is_made_anew(start, monkeypatch, what):
    monkeypatch.setattr(app, "_LOOK_S", 0.02)
    daemon = await start()
    staying = daemon.connect()
    if what == "folder":
        shutil.rmtree(os.path.dirname(daemon.path))
    else:
        os.unlink(daemon.path)
    if what == "replaced":
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(daemon.path)

    def connects():
        with contextlib.suppress(OSError):
            daemon.connect().close()
            return True
        return False

    await daemon.until(connects)
    assert (await daemon.ask("GET", "/v1/health")).status == 200
    assert stat.S_IMODE(os.stat(daemon.path).st_mode) == 0o600
    staying.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200 OK" in await asyncio.to_thread(staying.recv, 1000)
    staying.close()


async def test_a_socket_that_another_daemon_took_is_its_own(start, monkeypatch):
    monkeypatch.setattr(app, "_LOOK_S", 0.02)
    daemon = await start()
    for name in (daemon.path, f"{daemon.path}.lock"):
        os.unlink(name)
    other = OwnedSocket(daemon.path)
    other.socket.listen()
    with pytest.raises(AlreadyRunningError):
        await asyncio.wait_for(daemon.server.failed(), DEADLINE_S)
    assert os.path.exists(daemon.path)
    other.close()


def test_a_folder_below_one_that_others_can_write_to_is_refused(path, tmp_path):
    os.chmod(tmp_path, 0o777)  # noqa: S103  # the very fault
    with pytest.raises(ConfigError, match="chmod 700"):
        OwnedSocket(path)
    os.chmod(tmp_path, 0o700)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give folders away")
def test_a_folder_of_another_user_is_refused(path):
    os.mkdir(os.path.dirname(path), 0o700)
    os.chown(os.path.dirname(path), 65_534, 65_534)
    with pytest.raises(ConfigError, match="another user"):
        OwnedSocket(path)
