"""Many clients at once, while indexing goes on: latencies, errors, and whether memory stays flat.

    python -m benchmarks.load [--clients 64] [--seconds 60] [--known | --new]

Starts a real daemon with imgvecd-mini on copies of small photos, of which new ones keep coming, so
that every query competes with indexing. Each client has a connection of its own and asks again as
soon as it has its answer: a new text, a text asked before, a stored image, a page of images, one
image, the status; with `--known`, texts asked before only, with `--new`, new texts only. Prints
p50, p95 and p99 for each kind, the daemon's processor time and that of the clients, which read no
more of an answer than how long it is, errors, and memory at the start, in the middle and at the
end.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import itertools
import json
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from PIL import Image

from benchmarks import history
from tests.running import RunningDaemon

PHOTOS = Path(__file__).parents[1] / "tests" / "data" / "photos"
LIBRARY = 200  # photos there at the start
NEW_S = 0.25  # seconds between two new photos
SETTLE_S = 4  # until it no longer matters that all clients began at once
WORDS = [
    "beach",
    "dog",
    "city",
    "night",
    "snow",
    "cat",
    "red",
    "car",
    "two",
    "people",
    "forest",
    "cup",
    "coffee",
    "rocket",
    "brick",
    "child",
    "mountain",
    "lake",
    "boat",
    "flower",
    "garden",
    "street",
    "rain",
    "party",
    "cake",
    "bird",
    "horse",
    "train",
    "bridge",
]
PATIENCE_S = 75  # beyond the daemon's own deadline
MOST_GROWTH = 0.1  # of the daemon's memory, from after the warm-up to the end


def variations(folder: Path) -> Iterator[None]:
    """Write endlessly many photos that differ in what they show, one a step."""
    folder.mkdir(parents=True)
    photos = [Image.open(path).convert("RGB") for path in sorted(PHOTOS.glob("*.jpg"))]
    some = random.Random(1)
    for number in itertools.count():
        photo = photos[number % len(photos)].copy()
        color = tuple(some.randrange(256) for _ in range(3))
        photo.paste(color, (0, 0, photo.width // 3, photo.height // 3))
        part = folder / f"{number:06d}.part"
        photo.save(part, "jpeg")
        part.rename(part.with_suffix(".jpg"))
        yield


def keep_coming(photos: Iterator[None], over: threading.Event) -> None:
    while not over.wait(NEW_S):
        next(photos)


class Client:
    """One client: a connection, and one question after another."""

    def __init__(self, seed: int, ids: list[int], only: str | None) -> None:
        self._pick = {"known": 0.5, "new": 0.0}.get(only or "")
        self._random = random.Random(seed)
        self._ids = ids
        self.answers = 0
        self.times_ms: list[tuple[str, float]] = []
        self.errors: collections.Counter[str] = collections.Counter()

    def _question(self) -> tuple[str, str, str, dict | None]:
        some = self._random
        pick = some.random() if self._pick is None else self._pick
        if pick < 0.3:
            text = " ".join(some.choices(WORDS, k=4)) + f" {some.randrange(10**6)}"
            return "new text", "POST", "/v1/search", {"text": text}
        if pick < 0.6:
            return "known text", "POST", "/v1/search", {"text": f"a {some.choice(WORDS)}"}
        if pick < 0.75:
            return "stored image", "POST", "/v1/search", {"image": {"id": some.choice(self._ids)}}
        if pick < 0.85:
            return "one image", "GET", f"/v1/images/{some.choice(self._ids)}", None
        if pick < 0.95:
            return "page of images", "GET", "/v1/images?limit=50", None
        return "status", "GET", "/v1/status", None

    async def run(self, socket: str, since: float, until: float) -> None:
        """Ask until then, and note what was asked since the time that comes first."""
        reader, writer = await asyncio.open_unix_connection(socket)
        while (asked_at := time.monotonic()) < until:
            kind, method, path, body = self._question()
            content = b"" if body is None else json.dumps(body).encode()
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
            started = time.perf_counter()
            try:
                async with asyncio.timeout(PATIENCE_S):
                    writer.write(head.encode() + content)
                    status, answer = await answered(reader)
                if status != 200:
                    self.errors[f"{kind}: {status} {json.loads(answer).get('detail')}"] += 1
            except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
                self.errors[f"{kind}: {type(error).__name__} {error}"] += 1
                writer.close()
                reader, writer = await asyncio.open_unix_connection(socket)
            self.answers += 1
            if asked_at >= since:
                self.times_ms.append((kind, (time.perf_counter() - started) * 1000))
        writer.close()


async def answered(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return (status, body) of an answer, all of which is received."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    return int(head.split(b" ", 2)[1]), await reader.readexactly(int(length))


async def ask(
    daemon: RunningDaemon, ids: list[int], clients: int, seconds: float, only: str | None
) -> list[Client]:
    since = time.monotonic() + SETTLE_S
    asking = [Client(seed, ids, only) for seed in range(clients)]
    socket = str(daemon.socket)
    await asyncio.gather(*(client.run(socket, since, since + seconds) for client in asking))
    return asking


class Memory(threading.Thread):
    """Notes the memory of a process once a second, in MB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self.daemon_mb: list[float] = []
        self.workers_mb: list[float] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(1):
            children = self._process.children(recursive=True)
            self.daemon_mb.append(self._process.memory_info().rss / 1e6)
            with contextlib.suppress(psutil.NoSuchProcess):
                self.workers_mb.append(sum(child.memory_info().rss for child in children) / 1e6)


def thirds(values: list[float]) -> str:
    """Return the medians at the start, in the middle and at the end."""
    part = max(1, len(values) // 10)
    middle = len(values) // 2
    spans = values[:part], values[middle : middle + part], values[-part:]
    return " / ".join(f"{statistics.median(span):.0f}" for span in spans)


def report(clients: list[Client], seconds: float, only: str | None) -> None:
    times = collections.defaultdict(list)
    for client in clients:
        for kind, took_ms in client.times_ms:
            times[kind].append(took_ms)
            times["all"].append(took_ms)
    print(f"{'':<16}{'answers':>9}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}  ms")
    for kind in sorted(times, key=lambda kind: (kind == "all", kind)):
        sorted_ms = sorted(times[kind])
        shown = [sorted_ms[int(share * (len(sorted_ms) - 1))] for share in (0.5, 0.95, 0.99, 1)]
        figures = "".join(f"{value:>9.0f}" for value in shown)
        print(f"{kind:<16}{len(sorted_ms):>9,}{figures}")
    print(f"{len(times['all']) / seconds:.0f} answers a second")
    medians = {f"{kind}, p50 ms": statistics.median(taken) for kind, taken in times.items()}
    name = "load" if only is None else f"load_{only}"
    history.record(name, {"answers a second": len(times["all"]) / seconds, **medians})


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--known", action="store_const", dest="only", const="known")
    only.add_argument("--new", action="store_const", dest="only", const="new")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="imgvecd-load-"))
    coming = variations(work / "photos")
    daemon = None
    try:
        for _ in range(LIBRARY):
            next(coming)
        daemon = RunningDaemon(work / "home", [work / "photos"])
        daemon.wait_until_indexed(LIBRARY)
        ids = [image["id"] for image in daemon.get("/v1/images", limit=LIBRARY)["images"]]
        asyncio.run(ask(daemon, ids, options.clients, 5, options.only))
        before = daemon.status()["encoded"]
        memory, over = Memory(daemon.process.pid), threading.Event()
        memory.start()
        threading.Thread(target=keep_coming, args=(coming, over), daemon=True).start()
        process = psutil.Process(daemon.process.pid)
        busy_s, own_s = -sum(process.cpu_times()[:2]), -time.process_time()
        clients = asyncio.run(ask(daemon, ids, options.clients, options.seconds, options.only))
        busy_s, own_s = busy_s + sum(process.cpu_times()[:2]), own_s + time.process_time()
        memory.over.set()
        over.set()
        encoded = daemon.status()["encoded"] - before
        report(clients, options.seconds, options.only)
        answers = sum(client.answers for client in clients)
        each, own = 1000 * busy_s / answers, 1000 * own_s / answers
        print(f"{each:.1f} ms of the daemon's processor an answer, {own:.2f} of the clients'")
        print(f"{encoded} new photos indexed meanwhile")
        growth = (
            statistics.median(memory.daemon_mb[-5:]) / statistics.median(memory.daemon_mb[:5]) - 1
        )
        print(f"daemon: {thirds(memory.daemon_mb)} MB at start / middle / end ({growth:+.1%})")
        print(f"workers: {thirds(memory.workers_mb)} MB")
        errors = sum((client.errors for client in clients), collections.Counter())
        print(f"errors: {sum(errors.values())}")
        for error, count in errors.most_common(10):
            print(f"  {count} x {error}")
        assert daemon.stop() == 0
    finally:
        if daemon is not None:
            daemon.kill()
        shutil.rmtree(work)
    failed = bool(errors) or growth > MOST_GROWTH or not encoded
    print("MISSED" if failed else "ok")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
