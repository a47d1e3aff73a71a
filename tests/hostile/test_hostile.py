"""While a client does its worst, the owner's searches go on, and afterwards all is as before.

What each attack is, `attacks.py` says. By day every search is answered before somebody gives up, on
a machine that does other things, too; what a user notices is tested at night, and printed always.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from attacking import attacking
from running import RunningDaemon

pytestmark = pytest.mark.long

HERE = Path(__file__).parent
PHOTOS = HERE.parent / "data" / "photos"
TESTS = HERE.parent
SECONDS = 4
SEARCHES, SEARCHES_BY_DAY = 60, 20
PATIENCE_S = 60.0  # of whoever searches, on a machine that does other things
GROUP = 54_321  # nobody's
NOBODY = 65_534
OF_OTHERS = (
    "event streams", "idle connections", "bodies that stall", "globs", "slow pictures", "marks",
)  # fmt: skip
NAMES = subprocess.run(
    [sys.executable, HERE / "attacks.py", "list", "-", "0", "0"],
    capture_output=True,
    text=True,
    check=True,
).stdout.splitlines()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    home = tmp_path_factory.mktemp("hostile")
    for folder in (home, home.parent, home.parent.parent):
        folder.chmod(0o755)  # members of the group get to the socket
    folder = home / "photos"
    for number in range(40):
        below = folder / f"{number % 4}"
        below.mkdir(parents=True, exist_ok=True)
        for photo in sorted(PHOTOS.glob("*.jpg"))[:2]:
            target = below / f"{number}-{photo.name}"
            shutil.copy(photo, target)
            with open(target, "ab") as file:
                file.write(b"%d" % number)  # another file, the same picture
    shutil.copy(PHOTOS / "cat.jpg", folder / f"{'a' * 240}.jpg")
    env = {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "ENCODED": os.devnull}
    settings = {"server__tcp": "127.0.0.1:0", "server__timeout_s": "60"}
    if os.getuid() == 0:
        settings["server__group"] = str(GROUP)
    daemon = RunningDaemon(home, [folder], settings, module="fast_daemon", env=env)
    daemon.sync()
    daemon.search("a dog")
    yield daemon
    assert daemon.stop() == 0


def port_of(daemon):
    (line,) = [line for line in daemon.log.read_text().splitlines() if "('127.0.0.1'," in line]
    return line.rpartition(",")[2].strip(" )")


def searches(daemon, count):
    """Return (how long each search took, ascending; statuses other than 200)."""
    told = subprocess.run(
        [sys.executable, HERE / "probe.py", daemon.socket, str(count)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    return sorted(map(float, told[::2])), [status for status in told[1::2] if status != "200"]


@pytest.fixture(scope="module")
def quiet(daemon):
    """How long searches take while nobody attacks, in seconds, ascending."""
    taken, refused = searches(daemon, SEARCHES)
    assert not refused
    return taken


def under(daemon, name, quiet, *user, count=SEARCHES):
    """Return (p95 when all is quiet, p95 and worst under the attack), in seconds.

    Args:
        quiet: how long searches take while nobody attacks.
        user: uid and gid of another user who attacks.
    """
    with attacking(name, daemon.socket, port_of(daemon), SECONDS, *user):
        taken, refused = searches(daemon, count)
    figures = p95(quiet), p95(taken), taken[-1]
    print(f"{name}: p95 %.3f s quiet, %.3f s under it, worst %.3f s" % figures)
    assert not refused, refused
    return figures


def p95(times):
    return times[len(times) * 95 // 100]


@pytest.mark.parametrize("name", NAMES)
def test_searches_go_on(daemon, quiet, name):
    tracebacks = daemon.log.read_text().count("Traceback")
    _, _, worst = under(daemon, name, quiet, count=SEARCHES_BY_DAY)
    assert worst < PATIENCE_S
    assert daemon.log.read_text().count("Traceback") == tracebacks, daemon.tail()
    daemon.wait_until(lambda: daemon.get("/v1/health")["status"] == "ok")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("name", OF_OTHERS)
def test_searches_go_on_whatever_another_user_does(daemon, quiet, name):
    _, _, worst = under(daemon, name, quiet, NOBODY, GROUP, count=SEARCHES_BY_DAY)
    assert worst < PATIENCE_S


@pytest.mark.nightly
@pytest.mark.parametrize("name", NAMES)
def test_a_person_notices_nothing(daemon, name):
    for _ in range(4):  # the machine does other things, too
        taken, refused = searches(daemon, SEARCHES)
        assert not refused
        quiet, loud, worst = under(daemon, name, taken)
        if loud <= 2 * quiet and worst <= 0.5:
            return
    pytest.fail(f"p95 {quiet:.3f} s quiet, {loud:.3f} s under it, worst {worst:.3f} s")
