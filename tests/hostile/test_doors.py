"""While a stranger does its worst over TCP, the owner's page and encode servers go on answering.

Strangers have neither cookie nor token; what they do, `attacks.py` says. Who has either may well
be a program that has gone wrong: it gets no places that others need, and nothing fills the log.
"""

from __future__ import annotations

import http.client
import os
import resource
import ssl
import time
from pathlib import Path

import pytest
from attacking import attacking
from encode_servers import RunningEncodeServer
from gateways import Gateway
from running import RunningDaemon

from imgvecd.core.library.model_choice import choose_model
from imgvecd.remote import messages

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
# Of who has the token or the cookie.
OF_FRIENDS = (
    "chunks with extensions",
    "continued never",
    "event streams",
    "huge JSON",
    "names of heads",
    "slow bodies",
    "standing searches",
)
BY_TLS = (
    "gone without goodbye",
    "half handshakes",
    "handshakes of bytes",
    "handshakes over and over",
    "handshakes that are never begun",
    "handshakes that never end",
    "old versions of TLS",
    "records of a byte",
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


class Door:
    """Where one asks by TCP, and what whoever may ask sends along.

    Args:
        process: that answers there.
        log: what it says.
        path: that is asked for.
        own: heads of who may.
        more: further ones, of who asks for more.
        asked: what attacks post to.
        trusts: a file with the certificate that it has; None without TLS.
    """

    def __init__(self, process, port, log, path, own, *, more=None, asked="", trusts=None):
        self.process = process
        self.port = port
        self.log = log
        self._path = path
        self._own = own
        self._more = more or {}
        self._asked = asked
        self._trusts = trusts

    def ask(self):
        """Return whether there is an answer to who may ask."""
        if self._trusts:
            context = ssl.create_default_context(cafile=self._trusts)
            asking = http.client.HTTPSConnection(
                "localhost", self.port, timeout=PATIENCE_S, context=context
            )
        else:
            asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            asking.request("GET", self._path, headers=self._own)
            answer = asking.getresponse()
            answer.read()
        except OSError:
            return False
        finally:
            asking.close()
        return answer.status == 200

    def under(self, name, *, friend=False):
        """Return how many answers are lost while somebody does that.

        Args:
            friend: who has the token or the cookie.
        """
        heads = {"Authorization": "Bearer of a stranger"}
        heads = {"Host": f"127.0.0.1:{self.port}"} | (self._own | self._more if friend else heads)
        head = "".join(f"{key}: {value}\r\n" for key, value in heads.items())
        env = {**os.environ, "HEAD": head, "TLS": "1" if self._trusts else ""}
        env |= {"ASKED": self._asked} if self._asked else {}
        taken, lost = [], 0
        with attacking(name, "-", self.port, SECONDS, env=env):
            for _ in range(ASKED):
                began = time.monotonic()
                lost += not self.ask()
                taken.append(time.monotonic() - began)
                time.sleep(0.02)
        taken.sort()
        print(f"{name}: median {taken[ASKED // 2]:.3f} s, worst {taken[-1]:.3f} s, lost {lost}")
        assert self.process.poll() is None
        assert "Traceback" not in self.log.read_text(errors="replace"), self.log.read_text()[-4000:]
        return lost


@pytest.fixture(scope="module")
def page(daemon):
    """The owner's page, as the browser that was let in asks there."""
    log = daemon.home / "page.log"
    with open(log, "w") as errors:
        gateway = Gateway(daemon, errors=errors)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    entering = http.client.HTTPConnection("127.0.0.1", gateway.port)
    navigating = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    entering.request("GET", "/enter?" + gateway.address.partition("?")[2], headers=navigating)
    cookie = entering.getresponse().getheader("Set-Cookie").partition(";")[0]
    entering.close()
    own = {"Sec-Fetch-Site": "same-origin", "Cookie": cookie}
    more = {"Origin": f"http://127.0.0.1:{gateway.port}"}
    yield Door(gateway.process, gateway.port, log, "/v1/status", own, more=more)
    gateway.close()


def encode_server(home, **options):
    """Yield an encode server's door, as a daemon with the token asks there."""
    server = RunningEncodeServer(home, **options)
    server.start()
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    own = {
        "Authorization": f"Bearer {server.token_file.read_text().strip()}",
        messages.PROTOCOL_HEADER: str(messages.PROTOCOL),
    }
    model = choose_model("imgvecd-mini").fingerprint
    yield Door(
        server.process,
        server.port,
        server.log,
        messages.MODELS,
        own,
        more={messages.MODEL_HEADER: model},
        asked=messages.TEXTS,
        trusts=None if "certificate" in options else server.cert,
    )
    server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    yield from encode_server(tmp_path_factory.mktemp("server"), certificate=("", ""))


@pytest.fixture(scope="module")
def server_with_tls(tmp_path_factory):
    yield from encode_server(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("name", BY_TCP)
def test_the_owners_page_answers(page, name):
    assert not page.under(name)


@pytest.mark.parametrize("name", BY_TCP)
def test_an_encode_server_answers_who_has_the_token(server, name):
    assert not server.under(name)


@pytest.mark.parametrize("name", BY_TLS)
def test_an_encode_server_answers_over_tls(server_with_tls, name):
    assert not server_with_tls.under(name)


@pytest.mark.parametrize("name", OF_FRIENDS)
def test_one_browser_does_not_lock_the_others_out(page, name):
    assert not page.under(name, friend=True)


@pytest.mark.parametrize("name", OF_FRIENDS)
def test_one_daemon_does_not_lock_the_others_out(server, name):
    assert not server.under(name, friend=True)
