"""Changes and queries without a pause, on a real daemon with the real model: nothing grows.

Half an hour, or $SOAK_MINUTES. After a warm-up of a fifth, the daemon's own memory (what no
file stands behind) may not rise, nor the least number of descriptors, threads and children: a
request has some for a moment, what leaks is there in every sample.
"""

import os
import random
import statistics
import time

import psutil
import pytest
from pictures import draw
from running import RunningDaemon

MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
LIBRARY = 150  # files that there are at a time
SAMPLE_S = 2.0
MOST_MB_PER_HOUR = 4 * max(1.0, 20 / MINUTES)  # what is seen is 0; shorter runs are noisier
WORDS = ("dog", "beach", "red", "snow", "a city at night", "two people", "a cake", "trees")


class Soak:
    """One daemon, and one thing after the other that people do to it."""

    def __init__(self, folder, daemon):
        self.folder = folder
        self.daemon = daemon
        self.random = random.Random(1)
        self.made = 0
        self.done = dict.fromkeys(("add", "change", "rename", "delete", "search", "similar"), 0)

    def step(self):
        """Do one thing, of those there is something to do with."""
        files = sorted(self.folder.rglob("*.png"))
        deed = self.random.choices(list(self.done), (4, 2, 2, 4, 8, 4))[0]
        if len(files) < LIBRARY // 2:
            deed = "add"
        elif len(files) > LIBRARY and deed == "add":
            deed = "delete"
        getattr(self, deed)(*([self.random.choice(files)] if files else [None]))
        self.done[deed] += 1

    def add(self, _):
        self.made += 1
        draw(self.folder / str(self.made % 7) / f"{self.made}.png", self.made)

    def change(self, file):
        self.made += 1
        draw(file, self.made)

    def rename(self, file):
        file.rename(file.with_name(f"renamed-{self.random.randrange(10**9)}.png"))

    def delete(self, file):
        file.unlink()

    def search(self, _):
        # a few hundred different texts: more would only fill the catalog's store of texts
        text = f"{self.random.choice(WORDS)} and {self.random.choice(WORDS)}"
        assert self.daemon.request("POST", "/v1/search", {"text": text, "all": True})[0] == 200

    def similar(self, file):
        code, _ = self.daemon.request("POST", "/v1/search", {"image": {"path": str(file)}})
        assert code in {200, 422}  # it may have been renamed meanwhile


def measure(process):
    """Return (own memory in MB, descriptors, threads, children)."""
    with open(f"/proc/{process.pid}/status") as file:
        own = next(int(line.split()[1]) for line in file if line.startswith("RssAnon:"))
    return own / 1e3, process.num_fds(), process.num_threads(), len(process.children())


@pytest.mark.nightly
@pytest.mark.timeout(MINUTES * 60 + 600)
def test_nothing_grows(tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    settings = {"index__checkpoint_interval_s": 20, "watch__rescan_interval_s": 60}
    daemon = RunningDaemon(tmp_path / "home", [folder], settings)
    try:
        soak = Soak(folder, daemon)
        process = psutil.Process(daemon.process.pid)
        started = time.monotonic()
        end, next_at = started + MINUTES * 60, started
        samples = []
        while time.monotonic() < end:
            soak.step()
            if time.monotonic() >= next_at:
                samples.append((time.monotonic() - started, *measure(process)))
                next_at += SAMPLE_S
        steady = [row for row in samples if row[0] >= MINUTES * 60 / 5]
        hours, own, fds, threads, children = zip(*steady, strict=True)
        slope = statistics.linear_regression([s / 3600 for s in hours], own).slope
        with capsys.disabled():
            print(
                f"\n{MINUTES:g} min, {soak.done}: own memory {own[0]:.1f} to {own[-1]:.1f} MB "
                f"(most {max(own):.1f}), {slope:+.1f} MB an hour; descriptors {min(fds)} to "
                f"{max(fds)}, threads {min(threads)} to {max(threads)}, children {min(children)} "
                f"to {max(children)}"
            )
        half = len(steady) // 2
        assert slope <= MOST_MB_PER_HOUR
        for counts in (fds, threads, children):
            assert min(counts[half:]) <= min(counts[:half])
        assert daemon.imgvec("sync", "--timeout", "120").returncode == 0
        assert daemon.request("POST", "/v1/doctor")[1]["healthy"]
        assert daemon.stop() == 0
    finally:
        daemon.kill()
