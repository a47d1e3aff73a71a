"""Prints how the page of `imgvec browse` behaves over a million photos, in a real browser.

A real daemon over a synthetic catalog; what it draws for a thumbnail is made on demand.

    python -m benchmarks.page [--images 1000000] [--browser chromium] [--home DIR]
"""

import argparse
import datetime
import random
import statistics
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import history
from benchmarks.daemon_scale import SHOWN as SHOWN_FIGURES
from benchmarks.daemon_scale import line, prepare, settled
from imgvecd.catalog import Catalog
from tests.browsers import Browser
from tests.gateways import Gateway
from tests.running import RunningDaemon

SHOWN = "document.querySelectorAll('.cell.shown').length"
JUMPS = 40
SEARCH = """new Promise((done) => {
    const field = document.querySelector('#query');
    const old = document.querySelector('.cell')?.getAttribute('aria-label');
    field.value = %r;
    const began = performance.now();
    field.form.requestSubmit();
    const look = () => document.querySelector('.cell.shown') &&
        document.querySelector('.cell').getAttribute('aria-label') !== old ||
        performance.now() - began > 5000
        ? done(performance.now() - began) : requestAnimationFrame(look);
    requestAnimationFrame(look); })"""
SCROLL = """new Promise((done) => {
    const box = document.querySelector('#grid'); const frames = []; let last = 0;
    const step = (now) => { if (last) frames.push(now - last); last = now; box.scrollTop += 40;
        frames.length < 180 ? requestAnimationFrame(step) : done(frames); };
    requestAnimationFrame(step); })"""
STILL = """(async () => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [256, 192];
    const pen = canvas.getContext('2d');
    const pictures = Array.from({ length: 40 }, (_, i) => {
        for (let x = 0; x < 256; x += 32) {
            pen.fillStyle = `hsl(${i * 37 + x} 60% 50%)`;
            pen.fillRect(x, 0, 32, 192);
        }
        return canvas.toDataURL('image/jpeg');
    });
    const box = document.createElement('div');
    box.id = 'grid';
    box.style = 'position: absolute; inset: 0; overflow: hidden scroll; background: white';
    for (let i = 0; i < 400; i++) {
        const picture = new Image(200, 215);
        picture.src = pictures[i % pictures.length];
        picture.style = `position: absolute; left: ${204 * (i % 7)}px; top: ${220 * (i / 7 | 0)}px`;
        box.append(picture);
    }
    document.body.replaceChildren(box);
    await Promise.all(Array.from(box.children, (picture) => picture.decode()));
    await new Promise((done) => setTimeout(done, 500));
})()"""
MADE = "made-whole"  # a file's name
SIZES = ((4000, 3000), (3000, 4000), (6000, 4000), (1080, 1920), (2000, 2000))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--browser", default="chromium", choices=["chromium", "firefox"])
    parser.add_argument("--home", type=Path, help="keeps the library for another run")
    parser.add_argument(
        "--prepare", action="store_true", help="make the library and its index only, in --home"
    )
    options = parser.parse_args()
    if options.prepare and not options.home:
        parser.error("--prepare needs --home")
    with tempfile.TemporaryDirectory(prefix="imgvecd-page-") as folder:
        home = options.home or Path(folder)
        if not (home / MADE).exists():
            home.mkdir(exist_ok=True)
            prepare(home, options.images)
            date(home, options.images)
            (home / MADE).touch()
        daemon = RunningDaemon(home, ["/photos"], module="tests.drawing_daemon")
        try:
            daemon.wait_until(lambda: settled(daemon))
            if options.prepare:
                return
            measure(daemon, options.browser)
            history.record_shown(f"page_{options.browser}", SHOWN_FIGURES)
        finally:
            daemon.stop()  # another run finds its index


def date(home, images):
    """Spread the photos over twenty years, later ones more often, in the shapes of cameras."""
    catalog = Catalog(str(home / ".local" / "state" / "imgvecd"))
    chosen = random.Random(1)
    first = datetime.datetime.fromisoformat("2004-01-01T00:00:00")
    with catalog._database.write() as (connection, _):  # noqa: SLF001  # no API dates photos
        connection.executemany(
            "UPDATE contents SET taken_at = ?, width = ?, height = ? WHERE id = ?",
            (
                (
                    (first + datetime.timedelta(days=7300 * chosen.random() ** 0.6)).isoformat()[
                        :19
                    ],
                    *chosen.choice(SIZES),
                    identity,
                )
                for identity in range(1, images + 1)
            ),
        )
    catalog.close()


def measure(daemon, kind):
    process = psutil.Process(daemon.process.pid)
    before = _own_bytes(process)
    browser = Browser(kind)
    try:
        # whoever hears of every request has the browser work for it
        browser.ask("session.unsubscribe", events=["network.beforeRequestSent"])
        browser.resize(1440, 900)
        began = time.perf_counter()
        gateway = Gateway(daemon)
        started = time.perf_counter() - began
        browser.open(gateway.address)
        browser.until(f"{SHOWN} > 0")
        seconds = time.perf_counter() - began
        line("imgvec browse to the first picture", f"{seconds:.2f} s", ("<= 1.5 s", seconds <= 1.5))
        line("  of it until the gateway listens", f"{started:.2f} s")
        browser.until("!document.querySelector('#scrubber').hidden")  # all months are known
        seconds = time.perf_counter() - began
        line("  to all months", f"{seconds:.2f} s")
        jumps(browser, settled=True)
        jumps(browser, settled=False)
        scrolling(browser, "scrolling", bar=55)
        searching(browser)
        if kind == "chromium":
            heap = browser.js("performance.memory.usedJSHeapSize") / 1e6
            line("the page's heap", f"{heap:.0f} MB", ("<= 60 MB", heap <= 60))
        more = (_own_bytes(process) - before) / 1e6
        line(
            "the daemon's memory, more, beyond mapped files",
            f"{more:.0f} MB",
            ("<= 60 MB", more <= 60),
        )
        gateway.close()
        browser.open("about:blank")
        browser.js(STILL)
        scrolling(browser, "  a page of 400 pictures, no more")
    finally:
        browser.close()


def _own_bytes(process):
    """Return the memory that no file backs: pages of the index are the system's to drop."""
    memory = process.memory_info()
    return memory.rss - memory.shared


def jumps(browser, *, settled):
    """Jump to months all over the timeline, and wait for the first pictures of each.

    Args:
        settled: after all pictures of the last month have come, as for who looks at them; or with
            the first of them, as for who drags.
    """
    times = []
    for number in range(JUMPS):
        share = (number * 0.618 + (0.3 if settled else 0)) % 1
        if settled:
            browser.until(f"{SHOWN} === document.querySelectorAll('.cell').length")
        times.append(
            browser.js(
                f"""new Promise((done) => {{
                const box = document.querySelector('#scrubber');
                const track = document.querySelector('.track').getBoundingClientRect();
                const at = {{bubbles: true, pointerId: 1, clientX: track.right,
                             clientY: track.top + {share} * track.height}};
                box.setPointerCapture = () => {{}};
                const old = new Set([...document.querySelectorAll('.cell')].map(c => c.id));
                const began = performance.now();
                box.dispatchEvent(new PointerEvent('pointerdown', at));
                box.dispatchEvent(new PointerEvent('pointerup', at));
                const look = () => [...document.querySelectorAll('.cell.shown')]
                    .some(c => !old.has(c.id)) || performance.now() - began > 5000
                    ? done(performance.now() - began) : requestAnimationFrame(look);
                look(); }})"""
            )
        )
        nodes = browser.js("document.querySelectorAll('#grid *').length")
    ordered = sorted(times)
    p95 = ordered[int(0.95 * len(ordered))]
    figure = f"p50 {statistics.median(times):.0f} ms, p95 {p95:.0f} ms"
    what = "jump to any month" if settled else "  with the first picture of the last one"
    line(what, figure, ("p95 <= 150 ms", p95 <= 150))
    line("nodes of the grid", f"{nodes}", ("<= 150", nodes <= 150))


def scrolling(browser, what, bar=None):
    frames = browser.js(SCROLL)
    mean = 1000 / statistics.mean(frames)
    late = sum(frame > 34 for frame in frames)
    figure = f"{mean:.1f} frames/s, {late} of {len(frames)} late"
    line(what, figure, bar and ("60", mean >= bar))


def searching(browser):
    words = ("water", "a red car", "snow", "a red car", "water", "snow")
    times = [browser.js(SEARCH % word) for word in words]
    warm = statistics.median(times[3:])
    line("search to its pictures, warm", f"{warm:.0f} ms", ("<= 200 ms", warm <= 200))


if __name__ == "__main__":
    main()
