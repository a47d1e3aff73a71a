"""Another user of this machine, with a real second uid, against a real daemon."""

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from running import DEADLINE_S, RunningDaemon

PHOTOS = Path(__file__).parents[1] / "data" / "photos"
NOBODY = 65_534
# The imports first: the other user need not be able to read this Python.
BECOME = f"import os, socket, sys; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


def as_another_user(program, *arguments):
    """Return what a Python program prints that runs as another user."""
    done = subprocess.run(
        [sys.executable, "-c", BECOME + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        timeout=DEADLINE_S,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def daemon():
    """A daemon in a home that everybody may enter, as homes often are."""
    folder = Path(tempfile.mkdtemp())
    for directory in (folder, folder / "home", folder / "home" / ".local", folder / "home" / "run"):
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)
    shutil.copytree(PHOTOS, folder / "photos")
    running = RunningDaemon(folder / "home", [folder / "photos"])
    running.wait_until_indexed(8)
    running.post("/v1/checkpoint")
    yield running
    running.kill()
    shutil.rmtree(folder)


REACH = """
client = socket.socket(socket.AF_UNIX)
client.settimeout(30)
try:
    client.connect(sys.argv[1])
    client.sendall(sys.argv[2].encode())
    print(client.recv(100) or "hung up")
except PermissionError:
    print("not let in")
except ConnectionError:
    print("hung up")
"""

READ = """
def read(path):
    try:
        if os.path.isdir(path):
            return [name for entry in os.listdir(path) for name in read(os.path.join(path, entry))]
        open(path, "rb").read(1)
        return [path]
    except PermissionError:
        return []
print(read(sys.argv[1]))
"""

TAKE = """
try:
    if os.path.exists(sys.argv[1]):
        os.unlink(sys.argv[1])
    socket.socket(socket.AF_UNIX).bind(sys.argv[1])
    print("taken")
except OSError:
    print("refused")
"""


def test_cannot_connect_nor_have_a_file_read(daemon, tmp_path):
    fifo = tmp_path / "image.jpg"  # whoever opens it for reading is seen
    os.mkfifo(fifo)
    body = json.dumps({"image": {"path": str(fifo)}})
    request = (
        "POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    assert as_another_user(REACH, daemon.socket, request) == "not let in"
    assert as_another_user(TAKE, daemon.socket) == "refused"
    # what the modes guard, the peer's credentials guard once more
    daemon.socket.parent.chmod(0o755)
    daemon.socket.chmod(0o666)
    try:
        assert as_another_user(REACH, daemon.socket, request) == "hung up"
    finally:
        daemon.socket.chmod(0o600)
        daemon.socket.parent.chmod(0o700)
    with pytest.raises(OSError, match=os.strerror(errno.ENXIO)):  # nobody has it open
        os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    assert daemon.search("a cat", 1)[0].endswith("cat.jpg")


def test_cannot_read_the_state(daemon):
    assert (daemon.state / "catalog.sqlite").exists()
    assert list(daemon.state.glob("index/*/*"))
    assert as_another_user(READ, daemon.state) == "[]"
    assert as_another_user(READ, daemon.socket.parent) == "[]"
    # the files are private by themselves, in whatever folder the user puts them
    for path in (daemon.state, *daemon.state.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # of the daemon's work
            assert not path.stat().st_mode & 0o077, path


def test_nothing_listens_but_the_socket(daemon):
    daemon.search("a cat")  # the workers run
    processes = [psutil.Process(daemon.process.pid)]
    processes += processes[0].children(recursive=True)
    assert len(processes) > 1
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # a worker that was idle
            assert process.net_connections("inet") == []
    paths = {conn.laddr for conn in processes[0].net_connections("unix") if conn.laddr}
    assert paths == {str(daemon.socket)}
