"""`imgvec browse` with what it is given to begin with, and what it says to who sits elsewhere."""

import contextlib
import subprocess
import sys

import pytest
from browsing import PHOTOS
from gateways import Gateway
from ports import free_port

FIRST = "document.querySelector('.cell.shown').getAttribute('aria-label')"


@contextlib.contextmanager
def opened(browser, daemon, *arguments):
    """Open the page that a command begins with."""
    gateway = Gateway(daemon, *arguments)
    try:
        browser.open(gateway.address)
        browser.until("document.querySelector('.cell.shown')")
        yield browser
    finally:
        browser.open("about:blank")
        gateway.close()


def test_a_query_is_asked_at_once(browser, daemon):
    with opened(browser, daemon, "a", "cat", "-dog") as page:
        assert page.js("document.querySelector('#query').value") == "a cat -dog"
        assert page.until("/found|nearest/.test(document.querySelector('.count').textContent)")
        page.open(page.js("location.origin"))  # the command's words are for the first page only
        page.until("document.querySelector('#scrubber:not([hidden])')")
        assert page.js("document.querySelector('#query').value") == ""


def test_a_picture_is_searched_by_at_once(browser, daemon):
    photo = sorted(PHOTOS.glob("*.jpg"))[2]
    with opened(browser, daemon, "--like", str(photo)) as page:
        page.until("/nearest first/.test(document.querySelector('.count').textContent)")
        assert page.js(FIRST) == photo.name
        assert page.until("document.querySelector('#by-picture:not([hidden])')")


def test_a_picture_and_words_are_searched_by_together(browser, daemon):
    photo = sorted(PHOTOS.glob("*.jpg"))[2]
    with opened(browser, daemon, "--like", str(photo), "a", "cat") as page:
        assert page.js("document.querySelector('#query').value") == "a cat"
        assert page.until("document.querySelector('#by-picture:not([hidden])')")


def test_a_picture_that_is_not_there_is_named(daemon, tmp_path):
    missing = str(tmp_path / "gone.jpg")
    done = subprocess.run(
        [sys.executable, "-m", "imgvecd.client.main", "browse", "--no-open", "--like", missing],
        env=daemon.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert missing in done.stderr
    assert "http://" not in done.stdout


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
def test_who_came_by_ssh_is_told_how_to_reach_it(daemon, host):
    port = free_port()
    env = {**daemon.env, "SSH_CONNECTION": f"198.51.100.4 50000 {host} 22", "DISPLAY": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "imgvecd.client.main", "browse", "--port", str(port)],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = []
        while not said or not said[-1].startswith("Ctrl-C"):
            said.append(process.stdout.readline())
            assert said[-1], said
    finally:
        process.terminate()
        process.communicate()
    assert f"ssh -L {port}:127.0.0.1:{port} {host}\n" in "".join(said)
    assert f".localhost:{port}/enter?token=" in "".join(said)


def test_who_sits_here_is_told_of_no_tunnel(daemon):
    env = {name: value for name, value in daemon.env.items() if name != "SSH_CONNECTION"}
    process = subprocess.Popen(
        [sys.executable, "-m", "imgvecd.client.main", "browse", "--no-open"],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
    finally:
        process.terminate()
        process.communicate()
    assert "http://" in said
    assert "ssh" not in said
