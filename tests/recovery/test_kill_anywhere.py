"""`kill -9` of daemon, encoder and decoder at random moments: nothing lost, nothing done twice.

What comes out is compared, exactly, with what a daemon makes of the same folder that nobody kills.
"""

import contextlib
import os
import random
import sqlite3
import time

import psutil
import pytest
from fast_serving import serving
from pictures import draw

pytestmark = pytest.mark.long

BUSY = {
    "watch__settle_ms": 20,
    "encode__batch_size": 4,
    "index__checkpoint_interval_s": 0.1,
    "index__checkpoint_changes": 5,
    "index__rebuild_ratio": 0.05,
    "catalog__backup_interval_h": 0.5 / 3600,
    "decode__workers": 2,
}
QUESTIONS = [f"question {number}" for number in range(5)]
WORKERS = ("fast_encoder", "imgvecd.workers.decode")


class Changes:
    """What a person does to a folder, a step at a time, always the same for a seed."""

    def __init__(self, folder, seed):
        self.folder = folder
        self._choose = random.Random(seed)
        self._drawn = 0
        for _ in range(20):
            self._add()

    def step(self):
        for _ in range(self._choose.randint(1, 6)):
            self._choose.choices([self._add, self._rename, self._copy, self._delete], [5, 2, 1, 1])[
                0
            ]()

    def _add(self):
        self._drawn += 1
        draw(self._new_path(), self._drawn)

    def _rename(self):
        self._any_path().rename(self._new_path())

    def _copy(self):
        self._new_path().write_bytes(self._any_path().read_bytes())

    def _delete(self):
        self._any_path().unlink()

    def _any_path(self):
        return self._choose.choice(sorted(self.folder.rglob("*.png")))

    def _new_path(self):
        path = (
            self.folder
            / f"folder {self._choose.randint(0, 3)}"
            / f"{self._choose.getrandbits(40)}.png"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def read(state, question):
    """Return the rows that answer an SQL question, as a daemon that starts now would see them."""
    catalog = state / "catalog.sqlite"
    if not catalog.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{catalog}?mode=ro", uri=True)) as connection:
        try:
            return connection.execute(question).fetchall()
        except sqlite3.OperationalError:  # it was killed before there was a table
            return []


def committed(state):
    return {vector.hex() for (vector,) in read(state, "SELECT vector FROM embeddings")}


def encoded(daemon):
    notes = daemon.home / "encoded"
    return notes.read_text().splitlines() if notes.exists() else []


def outcome(daemon):
    """Return all that a daemon has made of a folder, without the numbers that depend on the way."""
    files = read(
        daemon.state,
        "SELECT dir, name, hex(hash), files.failure, contents.failure, pending, live, format, width"
        " FROM files LEFT JOIN contents ON contents.id = content_id ORDER BY dir, name",
    )
    embeddings = read(
        daemon.state,
        "SELECT hex(hash), vector FROM contents"
        " JOIN embeddings ON key & ((1 << 40) - 1) = contents.id WHERE live ORDER BY hash",
    )
    hits = {}
    for question in QUESTIONS:
        body = {"text": question, "limit": 1000, "all": True}
        found = daemon.post("/v1/search", body)["hits"]
        hits[question] = sorted(
            (
                round(hit["score"], 6),
                sorted([hit["path"], *(o["path"] for o in hit.get("other_paths", ()))]),
            )
            for hit in found
        )
    return files, embeddings, hits


def kill_something(choose, daemon):
    """Kill the daemon, or one of its workers; return whether it was the daemon."""
    if choose.random() < 0.3:
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(daemon.process.pid).children()
            workers = [child for child in children if {*WORKERS} & {*child.cmdline()}]
            if workers:
                choose.choice(workers).kill()
                return False
    daemon.kill()
    return True


def go_through(kills, tmp_path):
    """Kill so many times; return the pictures' folder and what came out."""
    seed = int(os.environ.get("KILL_SEED", "1"))
    changes = Changes(tmp_path / "photos", seed)
    known, deaths = [], 0
    with serving(tmp_path / "killed") as start:
        began = time.monotonic()
        daemon = start(changes.folder, **BUSY)
        start_s = time.monotonic() - began
        for number in range(kills):
            choose = random.Random(1000 * seed + number)  # whatever was drawn for those before
            changes.step()
            time.sleep(choose.uniform(0, 1.5) * start_s)  # a moment of its life, by chance
            if kill_something(choose, daemon):
                known.append((len(encoded(daemon)), committed(daemon.state)))
                daemon = start(changes.folder, wait=False, **BUSY)
                deaths += 1
        daemon.wait_until(daemon.answers)
        daemon.sync()
        daemon.wait_until(daemon.is_idle)
        assert daemon.imgvecd("doctor").returncode == 0
        result = outcome(daemon)
        notes = encoded(daemon)
        assert daemon.stop() == 0
    assert deaths > kills / 2
    for position, vectors in known:
        assert not vectors & {*notes[position:]}, "what was committed was computed again"
    return changes.folder, result


def check(kills, tmp_path):
    folder, killed = go_through(kills, tmp_path)
    with serving(tmp_path / "untroubled") as start:
        daemon = start(folder, **BUSY)
        daemon.sync()
        daemon.wait_until(daemon.is_idle)
        untroubled = outcome(daemon)
    for one, other in zip(killed, untroubled, strict=True):
        assert one == other
    on_disk = {str(path) for path in folder.rglob("*.png")}
    for hits in killed[2].values():
        assert {path for _, paths in hits for path in paths} == on_disk


def test_eight_kills(tmp_path):
    check(8, tmp_path)


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_two_hundred_kills(tmp_path):
    check(200, tmp_path)
