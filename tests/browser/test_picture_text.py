"""What is written in a picture stands in the viewer's panel, as text and nothing else."""

import pytest
from gateways import Gateway
from PIL import Image, ImageDraw, ImageFont
from running import RunningDaemon

from imgvecd.adapters import rapid_ocr

LINES = ("Bakery Schmidt", "<b>Total</b> 12.50")
STARTS_S = 300  # the recogniser's import alone takes a minute where a machine is busy
READ = "document.querySelector('#panel details.read')"


@pytest.mark.nightly  # the recogniser's start, for a panel that other text is shown in by day
@pytest.mark.skipif(
    rapid_ocr.fingerprint() is None, reason="needs the extra: pip install 'imgvecd[ocr]'"
)
def test_text_in_a_picture_is_read_in_the_panel(browser, tmp_path):
    picture = Image.new("RGB", (900, 400), "white")
    for row, line in enumerate(LINES):
        font = ImageFont.load_default(64)
        ImageDraw.Draw(picture).text((60, 60 + 140 * row), line, fill="black", font=font)
    folder = tmp_path / "camera"
    folder.mkdir()
    picture.save(folder / "receipt.png")
    daemon = RunningDaemon(tmp_path, [folder], {"ocr__enabled": "true"})
    gateway = None
    try:
        daemon.wait_until(
            lambda: any(image.get("text") for image in daemon.get("/v1/images")["images"]),
            STARTS_S,
        )
        gateway = Gateway(daemon)
        browser.open(gateway.address)
        browser.until("document.querySelectorAll('.cell.shown').length === 1")
        browser.press("Enter")
        browser.until("document.querySelector('.pswp--open')")
        browser.press("i")
        browser.until(READ)
        browser.js(f"{READ}.querySelector('summary').scrollIntoView()")
        browser.click("#panel details.read summary")
        browser.until(f"{READ}.open")
        shown = browser.js(f"{READ}.innerText")
        assert "Bakery Schmidt" in shown
        assert "12.50" in shown
        assert browser.js(f"{READ}.querySelector('p').childElementCount") == 0
    finally:
        browser.open("about:blank")
        if gateway is not None:
            gateway.close()
        daemon.kill()
