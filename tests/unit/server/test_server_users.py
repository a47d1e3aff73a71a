"""Who may connect: the daemon's own user, and a group; what the group may not have read for it."""

from __future__ import annotations

import asyncio
import grp
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile

import pytest

from imgvecd.errors import ConfigError

GROUP = 54_321  # nobody's
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@pytest.fixture
def open_folder():
    """Return a folder that every user can enter."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)  # noqa: S103  # the very fault that the peer check must survive
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("mode", [0o600, 0o666])
async def test_another_user_is_shut_out_even_if_the_modes_were_loosened(start, open_folder, mode):
    daemon = await start(socket=f"{open_folder}/s")
    os.chmod(f"{open_folder}/s", mode)
    program = """
import os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
client = socket.socket(socket.AF_UNIX)
try:
    client.connect(sys.argv[1])
    client.sendall(b"GET /v1/health HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    print(client.recv(9) or "hung up")
except PermissionError:
    print("not let in")
except ConnectionError:
    print("hung up")
"""
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, f"{open_folder}/s", stdout=subprocess.PIPE
    )
    shown, _ = await other.communicate()
    assert shown.decode().strip() == ("not let in" if mode == 0o600 else "hung up")
    assert daemon.service.asked == []


OTHER_USER = """
import http.client, os, socket, sys
path, group, secondary, method, url, body, kind = sys.argv[1:]
os.setgroups([int(group)] if secondary == "yes" else [])
os.setgid(65534 if secondary == "yes" else int(group))
os.setuid(65534)
client = http.client.HTTPConnection("localhost")
client.sock = socket.socket(socket.AF_UNIX)
try:
    client.sock.connect(path)
    client.request(method, url, body or None, {"Content-Type": kind} if kind else {})
    answer = client.getresponse()
    print(answer.status, answer.read().decode())
except PermissionError:
    print("not let in")
except (ConnectionError, http.client.HTTPException):
    print("hung up")
"""


async def as_other_user(
    daemon, method, url, body="", kind="application/json", *, group=GROUP, secondary="yes"
):
    """Return (status, answer) of what another user asks, or why there is none."""
    arguments = (daemon.path, str(group), secondary, method, url, body, kind)
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OTHER_USER, *arguments, stdout=subprocess.PIPE
    )
    shown, _ = await other.communicate()
    status, _, answer = shown.decode().partition(" ")
    return (int(status), json.loads(answer)) if status.isdigit() else shown.decode().strip()


@pytest.fixture
async def shared(start, open_folder):
    """A daemon whose socket a group may use."""
    return await start(socket=f"{open_folder}/imgvecd/socket", group=str(GROUP))


async def test_a_group_may_connect_and_nobody_else(shared):
    assert stat.S_IMODE(os.stat(shared.path).st_mode) == 0o660
    assert stat.S_IMODE(os.stat(os.path.dirname(shared.path)).st_mode) == 0o710
    for secondary in ("yes", "no"):
        status, _ = await as_other_user(shared, "GET", "/v1/health", secondary=secondary)
        assert status == 200
    assert await as_other_user(shared, "GET", "/v1/health", group=65_533) == "not let in"
    os.chmod(os.path.dirname(shared.path), 0o755)  # noqa: S103  # the very fault
    os.chmod(shared.path, 0o666)  # noqa: S103
    assert await as_other_user(shared, "GET", "/v1/health", group=65_533) == "hung up"


FORM = (
    '--b\r\nContent-Disposition: form-data; name="path"\r\n\r\n/root/secret.jpg\r\n--b--\r\n',
    "multipart/form-data; boundary=b",
)


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "/v1/search?path=/root/secret.jpg", ""),
        ("GET", "/v1/search/live?path=/root/secret.jpg", ""),
        ("POST", "/v1/search", {"image": {"path": "/root/secret.jpg"}}),
        ("POST", "/v1/search", {"image": {"path_base64": "L3Jvb3Qvc2VjcmV0LmpwZw=="}}),
        ("POST", "/v1/search", {"terms": [{"text": "x"}, {"path": "/root/secret.jpg"}]}),
        ("POST", "/v1/search/batch", {"searches": [{"image": {"path": "/root/secret.jpg"}}]}),
        ("POST", "/v1/search/live", {"image": {"path": "/root/secret.jpg"}}),
        ("PUT", "/v1/saved/spy", {"image": {"path": "/root/secret.jpg"}}),
        ("POST", "/v1/search", FORM),
        ("POST", "/v1/duplicates/check", {"path": "/root/secret.jpg"}),
    ],
)
async def test_the_daemon_reads_no_file_for_another_user(shared, method, url, body):
    content, kind = body if isinstance(body, tuple) else (json.dumps(body) if body else "", "")
    status, answer = await as_other_user(shared, method, url, content, kind)
    assert (status, answer["code"]) == (403, "forbidden")
    assert shared.service.asked == []
    own = await shared.ask("POST", "/v1/search", json.dumps({"image": {"path": "/root/x.jpg"}}))
    assert own.status == 200


async def test_another_user_may_search_by_what_he_has(shared):
    search = json.dumps({"text": "a dog", "image": {"data": "AAAA"}})
    assert (await as_other_user(shared, "POST", "/v1/search", search))[0] == 200


async def test_a_group_that_there_is_not_is_named(start):
    with pytest.raises(ConfigError, match=r"server\.group"):
        await start(group="no-such-group")
    name = grp.getgrgid(0).gr_name
    assert (await (await start(group=name)).ask("GET", "/v1/health")).status == 200
