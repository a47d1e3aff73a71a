"""Take the pictures of the page that `docs/browse.md` shows: `python -m tools.page.screenshots`."""

from __future__ import annotations

import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from browsers import Browser, installed  # noqa: E402  # of the tests
from gateways import Gateway  # noqa: E402
from PIL import Image  # noqa: E402
from running import RunningDaemon  # noqa: E402

FOLDER = ROOT / "docs" / "pictures"
SHOWN = "document.querySelectorAll('.cell.shown').length >= {}"
COMPLETE = (
    "!document.querySelector('.cell:not(.shown)') && "
    "[...document.images].every(i => !i.src || (i.complete && i.naturalWidth))"
)
WIDE, PHONE = (1280, 800), (390, 780)


PLACES = ((47.375, 8.5), (41.9, 12.5), (40.75, -74.0), (38.72, -9.14), (64.15, -21.9))


def _library(folder: pathlib.Path) -> int:
    """Put every photo of the project there, of two months; return how many files."""
    photos = sorted(ROOT.glob("tests/data/photos/*.jpg"))
    folder.mkdir()
    for i, photo in enumerate(photos):
        with Image.open(photo) as picture:
            exif = picture.getexif()
            exif[0x0110] = "Camera"
            exif.get_ifd(0x8769)[0x9003] = f"2023:{8 - i // 4:02d}:{20 - i:02d} 12:00:00"
            north, east = PLACES[i % len(PLACES)]
            exif.get_ifd(0x8825).update(
                {1: "N", 2: (north, 0, 0), 3: "E" if east > 0 else "W", 4: (abs(east), 0, 0)}
            )
            picture.convert("RGB").save(folder / photo.name, exif=exif)
    with Image.open(folder / photos[0].name) as picture:
        half = picture.resize((picture.width // 2, picture.height // 2))
        half.save(folder / "small copy.jpg", quality=70, exif=picture.getexif())
    return len(photos) + 1


def main() -> None:
    """Take every picture, in light and in dark."""
    kind = installed()[0]
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        pictures = pathlib.Path(home) / "Pictures"
        count = _library(pictures)
        daemon = RunningDaemon(home, [pictures])
        try:
            daemon.wait_until_indexed(count)
            for scheme in ("light", "dark"):
                browser, gateway = Browser(kind, dark=scheme == "dark"), Gateway(daemon)
                try:
                    _take(browser, gateway.address, scheme)
                finally:
                    browser.close()
                    gateway.close()
        finally:
            daemon.kill()


def _take(browser: Browser, address: str, scheme: str) -> None:
    def keep(name: str) -> None:
        browser.until(COMPLETE)
        time.sleep(0.4)  # what fades in is there
        with tempfile.NamedTemporaryFile(suffix=".png") as file:
            browser.picture(file.name)
            Image.open(file.name).save(FOLDER / f"{name}-{scheme}.webp", quality=80, method=6)

    browser.resize(*WIDE)
    browser.open(address)
    browser.until(SHOWN.format(6))
    keep("timeline")
    browser.press("/")
    browser.press("a cat", "Enter")
    browser.until("/found|nearest/.test(document.querySelector('.count').textContent)")
    browser.until(SHOWN.format(1))
    keep("search")
    browser.press("i")
    browser.until("document.querySelectorAll('.strip img').length")
    browser.until("[...document.querySelectorAll('.strip img')].every(i => i.complete)")
    browser.until("document.querySelector('.pswp__img')?.complete")
    keep("viewer")
    browser.press("Escape")
    browser.until("!document.querySelector('.pswp')")
    browser.press("m")
    browser.until("document.querySelectorAll('.spot span').length >= 4")
    keep("map")
    browser.press("d")
    browser.until("document.querySelectorAll('.lens').length === 2")
    keep("duplicates")
    browser.click(".state")
    browser.until("document.querySelector('.roots')")
    keep("status")
    browser.resize(*PHONE)
    browser.click(".home")
    browser.until("document.querySelector('.cell') && !document.querySelector('.cell:not(.shown)')")
    keep("phone")


if __name__ == "__main__":
    main()
