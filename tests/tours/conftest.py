"""What each tour starts with."""

import shutil
import socket
import threading

import newcomer
import pytest
from kept_state import keep_state


@pytest.fixture
def home(tmp_path):
    """An empty home, but for a folder of photos."""
    place = tmp_path / "home"
    (place / "run").mkdir(parents=True)
    (place / "run").chmod(0o700)
    (place / "Pictures" / "2023").mkdir(parents=True)
    for photo in newcomer.PHOTOS.glob("*.jpg"):
        shutil.copy(photo, place / "Pictures" / "2023")
    return place


@pytest.fixture
def kept(home):
    """What the very first start takes seconds for, which one of the tours waits for."""
    return keep_state(home / ".local" / "state" / "imgvecd", catalog=False)


@pytest.fixture
def clone(home):
    """A clone in that home, in which `make` has installed."""
    return newcomer.clone(home / "imgvecd")


@pytest.fixture
def terminal(home, clone):
    """Return what opens a terminal, in the clone."""
    opened = []

    def open_one(**options):
        opened.append(newcomer.Shell(home, clone, **options))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def hub():
    """The address of a model hub that can be reached; nothing is ever to be fetched from it."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(0.2)
                    try:
                        asked.append(connection.recv(4096))
                    except OSError:
                        asked.append(b"")

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    assert not any(asked), "something was fetched that nobody had agreed to"
