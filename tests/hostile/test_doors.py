"""While a stranger does its worst over TCP, the owner's page and encode servers go on answering.

Strangers have neither cookie nor token; what they do, `attacks.py` says.
"""

from __future__ import annotations

import http.client
import os
import resource
import time
from pathlib import Path

import pytest
from attacking import attacking
from encode_servers import RunningEncodeServer
from gateways import Gateway
from running import DEADLINE_S, RunningDaemon

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
SECONDS = 60  # at most
PATIENCE_S = 20.0
ASKED = 20
OPEN_FILES = 350  # fewer than strangers open connections
BY_TCP = (
    "a storm of connections",
    "bodies that stall",
    "chunks of a byte",
    "compressed bodies",
    "heads that drip",
    "huge JSON",
    "idle TCP connections",
    "large pictures",
    "line breaks before a form",
    "rubbish",
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    home = tmp_path_factory.mktemp("page")
    (home / "photos").mkdir()
    daemon = RunningDaemon(home, [home / "photos"], module="fast_daemon", env=fast(home))
    yield daemon
    daemon.kill()


def fast(home):
    return {"PYTHONPATH": f"{HERE.parent}:{HERE.parent.parent}", "ENCODED": os.devnull}


def answers(port, head):
    """Return how long each of some answers takes, in seconds, and how many were none."""
    taken, lost = [], 0
    for _ in range(ASKED):
        began = time.monotonic()
        asking = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        try:
            asking.request("GET", head["path"], headers=head["headers"])
            answer = asking.getresponse()
            answer.read()
            lost += answer.status != 200
        except OSError:
            lost += 1
        finally:
            asking.close()
        taken.append(time.monotonic() - began)
        time.sleep(0.02)
    return sorted(taken), lost


def under(name, port, head):
    """Have a stranger do that, and return what `answers` does meanwhile."""
    with attacking(name, "-", port, SECONDS, env={**os.environ, "TOKEN": "of a stranger"}):
        taken, lost = answers(port, head)
    print(f"{name}: median {taken[len(taken) // 2]:.3f} s, worst {taken[-1]:.3f} s, lost {lost}")
    return lost


@pytest.fixture(scope="module")
def page(daemon):
    """(port, what the owner's browser asks)."""
    gateway = Gateway(daemon)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    entering = http.client.HTTPConnection("127.0.0.1", gateway.port)
    navigating = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    entering.request("GET", "/enter?" + gateway.address.partition("?")[2], headers=navigating)
    cookie = entering.getresponse().getheader("Set-Cookie").partition(";")[0]
    entering.close()
    own = {"Sec-Fetch-Site": "same-origin", "Cookie": cookie}
    yield gateway.port, {"path": "/v1/status", "headers": own}
    assert gateway.process.poll() is None
    gateway.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """(port, what a daemon with the token asks)."""
    server = RunningEncodeServer(tmp_path_factory.mktemp("server"), certificate=("", ""))
    server.start()
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    token = server.token_file.read_text().strip()
    own = {"Authorization": f"Bearer {token}", "Imgvecd-Protocol": "1"}
    yield server.port, {"path": "/v1/models", "headers": own}
    assert server.process.poll() is None
    server.process.kill()
    server.process.wait(DEADLINE_S)


@pytest.mark.parametrize("name", BY_TCP)
def test_the_owners_page_answers(page, name):
    assert not under(name, *page)


@pytest.mark.parametrize("name", BY_TCP)
def test_an_encode_server_answers_who_has_the_token(server, name):
    assert not under(name, *server)
