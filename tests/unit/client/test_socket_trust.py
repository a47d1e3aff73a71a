"""Clients ask nothing of a socket that a third party could have put there."""

# ruff: noqa: S103  # folders that others can write are what this is about

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

import aiohttp
import pytest
from running import DEADLINE_S

from imgvecd.client.async_client import AsyncClient
from imgvecd.client.browse.gateway import Gateway
from imgvecd.client.http_connection import DaemonConnection
from imgvecd.errors import DaemonUnreachableError

OWNER, STRANGER, MEMBER, GROUP = 61_001, 61_002, 61_003, 61_004
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")

# The imports come first: the other user need not be able to read this Python.
BECOME = """
import encodings.idna, os, socket, sys, grp, pwd
import imgvecd.client.http_connection as http_connection
from imgvecd.errors import DaemonUnreachableError
user, *groups = map(int, sys.argv[2].split(","))
os.setgroups(groups)
os.setgid(user)
os.setuid(user)
"""
LISTEN = f"""{BECOME}
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
listener.listen()
print("listening", flush=True)
while True:
    client, _ = listener.accept()
    heard = client.recv(65536)
    print("heard" if heard else "nothing", flush=True)
    if heard:
        client.sendall({ANSWER!r})
    client.close()
"""
ASK = f"""{BECOME}
try:
    print(http_connection.DaemonConnection(sys.argv[1]).get("/v1/status").decode())
except DaemonUnreachableError as error:
    print(error)
"""


def asked_as(path, *ids):
    """Return what a client of another user gets, or why it does not ask."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, path, ",".join(map(str, ids))],
        capture_output=True, text=True, check=True, timeout=DEADLINE_S,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path_factory):
    """A folder that everybody may enter, and only root may change."""
    made = tempfile.mkdtemp()
    os.chmod(made, 0o755)
    os.mkdir(f"{made}/run", 0o755)
    yield f"{made}/run"
    shutil.rmtree(made)


@pytest.fixture
def listen():
    """Return a function that starts a listener of another user."""
    started = []

    def start(path, user):
        process = subprocess.Popen(
            [sys.executable, "-c", LISTEN, path, str(user)], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "listening\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def own(folder):
    """A listener of ours; the list is what it heard."""
    heard = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{folder}/s")
    listener.listen()

    def serve():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                heard.append(client.recv(65536))
                if heard[-1]:
                    client.sendall(ANSWER)

    threading.Thread(target=serve, daemon=True).start()
    yield heard
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def assert_refused(path, match):
    with pytest.raises(DaemonUnreachableError, match=match):
        DaemonConnection(path).get("/v1/status")

    with pytest.raises(DaemonUnreachableError, match=match):
        asyncio.run(AsyncClient(path).status())
    assert re.search(match, asyncio.run(asked_by_a_page(path)))


class Anybody:
    """Whom a gateway lets in."""

    def refusal(self, *_):
        return None

    def knows(self, _cookie):
        return True


async def asked_by_a_page(path):
    """Return what a browser gets for a question that the gateway passes on."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/status"
    async with (
        Gateway(path).running(listener, Anybody()),
        aiohttp.ClientSession() as browser,
        browser.get(address) as answer,
    ):
        return await answer.text()


def test_our_own_is_asked(folder, own):
    assert DaemonConnection(f"{folder}/s").get("/v1/status") == b"{}"
    assert asyncio.run(asked_by_a_page(f"{folder}/s")) == "{}"
    os.chmod(folder, 0o1777)  # as /tmp: sticky
    assert DaemonConnection(f"{folder}/s").get("/v1/status") == b"{}"


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o703])
@pytest.mark.parametrize("above", [0, 1])
def test_a_folder_that_others_can_write_is_not_used(folder, own, mode, above):
    os.chmod(os.path.dirname(folder) if above else folder, mode)
    assert_refused(f"{folder}/s", "other users can write")
    assert own == []
    link = f"{folder}-link"
    os.symlink(f"{folder}/s", link)
    assert_refused(link, "other users can write")


@as_root
@pytest.mark.parametrize("above", [0, 1])
def test_a_folder_of_another_user_is_not_used(folder, own, above):
    os.chown(os.path.dirname(folder) if above else folder, STRANGER, STRANGER)
    assert_refused(f"{folder}/s", "belongs to another user")
    assert own == []


@as_root
def test_what_a_third_party_put_into_a_sticky_folder_hears_nothing(folder, listen):
    os.chmod(folder, 0o1777)
    stranger = listen(f"{folder}/s", STRANGER)
    assert_refused(f"{folder}/s", f"belongs to another user .uid {STRANGER}")
    assert stranger.stdout.readline() == "nothing\n"
    assert "belongs to another user" in asked_as(f"{folder}/s", MEMBER)
    assert "{}" in asked_as(f"{folder}/s", STRANGER)


@as_root
def test_a_member_of_the_group_asks_the_owners_daemon_and_nobody_else(folder, listen):
    path = f"{folder}/s"
    os.chown(folder, OWNER, GROUP)
    listen(path, OWNER)
    os.chown(path, OWNER, GROUP)
    os.chmod(path, 0o660)
    assert asked_as(path, MEMBER, GROUP) == "{}"
    assert DaemonConnection(path).get("/v1/status") == b"{}"  # root may
    os.chmod(path, 0o666)
    assert "belongs to another user" in asked_as(path, STRANGER)
    os.unlink(path)
    os.chown(folder, MEMBER, GROUP)
    stranger = listen(path, MEMBER)  # whoever listens matters, not whose the file is
    os.chown(folder, OWNER, GROUP)
    os.chown(path, OWNER, GROUP)
    assert "belongs to another user" in asked_as(path, STRANGER, GROUP)
    assert stranger.stdout.readline() == "nothing\n"
