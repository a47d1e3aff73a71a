"""The original is downloaded as a person does it: under its name, and byte for byte."""

import contextlib
import json
import os
import time

import pytest
from browsing import HOSTILE
from gateways import Gateway
from PIL import Image
from running import DEADLINE_S, RunningDaemon

KEPT = "Zürich – 100 «Süden»; it's 30° ☀ #1 (2).jpg"  # such names are the same everywhere
NAMES = (KEPT.encode(), b"%41%2e%2e %00.jpg", *HOSTILE)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A library of photos with odd names: the daemon, and each name's bytes."""
    home = tmp_path_factory.mktemp("odd")
    pictures = home / "Pictures"
    pictures.mkdir()
    for i, name in enumerate(NAMES):
        with open(bytes(pictures) + b"/" + name, "wb") as file:
            Image.effect_noise((500 + i, 400), 60).convert("RGB").save(file, "JPEG", quality=95)
    daemon = RunningDaemon(home, [pictures])
    try:
        daemon.wait_until_indexed(len(NAMES))
        yield daemon, {name: (pictures / os.fsdecode(name)).read_bytes() for name in NAMES}
    finally:
        daemon.kill()


def downloaded(browser, before):
    """Return (name, bytes) of the file that has come, once all of it has."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        for path in set(browser.downloads.iterdir()) - before:
            with contextlib.suppress(FileNotFoundError):  # it got its name meanwhile
                meanwhile = path.name[0] == "." or path.suffix in {".part", ".crdownload"}
                if not meanwhile and path.stat().st_size:
                    return path.name, path.read_bytes()
        time.sleep(0.05)
    raise AssertionError(f"nothing was downloaded: {list(browser.downloads.iterdir())}")


def test_an_original_is_downloaded_under_its_name_byte_for_byte(browser, odd):
    daemon, contents = odd
    gateway = Gateway(daemon)
    try:
        browser.open(gateway.address)
        browser.until(f"document.querySelectorAll('.cell.shown').length === {len(NAMES)}")
        browser.press("Enter")
        browser.until("document.querySelector('.pswp--open')")
        browser.press("i")
        found = {}
        last = None  # the link of the photo before
        for number in range(len(NAMES)):
            browser.until(
                f"document.querySelector('.pswp__counter').innerText.startsWith('{number + 1} /')"
            )
            last = browser.until(
                f"(a => a?.href !== {json.dumps(last)} && a?.href)"
                "(document.querySelector('#panel a[download]'))"
            )
            browser.until("document.querySelector('.strip img')")  # nothing moves any more
            browser.js("document.querySelector('#panel a[download]').scrollIntoView()")
            before = set(browser.downloads.iterdir())
            browser.click("#panel a[download]")
            name, content = downloaded(browser, before)
            (original,) = (each for each, whole in contents.items() if whole == content)
            found[original] = name
            browser.press("Right")
        assert set(found) == set(NAMES)
        assert found[KEPT.encode()] == KEPT
        for name in found.values():  # a browser's own idea of what may be a name
            assert name.endswith(".jpg")
    finally:
        browser.open("about:blank")
        gateway.close()
