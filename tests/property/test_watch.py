"""Whatever is done to a library, at every quiet point the catalog holds what the disk holds."""

import asyncio
import contextlib
import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from watching import watching

from imgvecd.config.schema import WatchConfig

FOLDERS = ("", "a", "b", "a/c", "b/c", "a/c/d")
NAMES = ("1.jpg", "2.JPG", "3.png", "4.txt", "5.jpg.part")
EXCLUDES = ((), ("b",), ("*.png", "a/c"))
SETTLE = WatchConfig(settle_ms=30)

folders = st.sampled_from(FOLDERS)
places = st.builds(os.path.join, folders, st.sampled_from(NAMES))


class WatchingMachine(RuleBasedStateMachine):
    """Random file operations on a real folder under the real watcher and catalog."""

    def __init__(self):
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="imgvecd-property-"))
        self.library = self.base / "library"
        self.outside = self.base / "outside"
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.exclude = ()
        self.written = 0
        self.context = None

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    @initialize()
    def begin(self):
        for folder in FOLDERS:
            (self.library / folder).mkdir(parents=True, exist_ok=True)
        self.outside.mkdir()
        self.start()

    def start(self):
        state, library = str(self.base / "state"), str(self.library)
        self.context = watching(state, library, watch=SETTLE, exclude=self.exclude)
        self.watched = self.run(self.context.__aenter__())

    def stop(self):
        if self.context is not None:
            self.run(self.context.__aexit__(None, None, None))

    def teardown(self):
        try:
            if self.context is not None and self.library.exists():
                self.quiet()
            self.stop()
        finally:
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
            self.loop.close()
            shutil.rmtree(self.base)

    @property
    def online(self):
        return self.library.exists()

    @rule(place=places)
    def write(self, place):
        self.written += 1
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            (self.library / place).write_bytes(b"%d" % self.written)

    @rule(place=places)
    def append(self, place):
        with contextlib.suppress(FileNotFoundError), (self.library / place).open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(b"more")

    @rule(place=places)
    def truncate(self, place):
        with contextlib.suppress(FileNotFoundError):
            os.truncate(self.library / place, 0)

    @rule(place=places)
    def delete(self, place):
        (self.library / place).unlink(missing_ok=True)

    @rule(old=places, new=places)
    def rename(self, old, new):
        with contextlib.suppress(FileNotFoundError):
            (self.library / old).rename(self.library / new)

    @rule(one=places, other=places)
    def swap(self, one, other):
        if (self.library / one).exists() and (self.library / other).exists() and one != other:
            (self.library / one).rename(self.library / "aside")
            (self.library / other).rename(self.library / one)
            (self.library / "aside").rename(self.library / other)

    @rule(old=places, new=places)
    def link(self, old, new):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            os.link(self.library / old, self.library / new)

    @rule(place=places, aim=places)
    def symlink(self, place, aim):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            (self.library / place).symlink_to(self.library / aim)

    @rule(old=folders, new=folders)
    def move_folder(self, old, new):
        with contextlib.suppress(OSError):
            (self.library / old).rename(self.library / new / "moved")

    @rule(folder=folders)
    def make_folder(self, folder):
        if self.online:
            (self.library / folder / "moved" / "deeper").mkdir(parents=True, exist_ok=True)
            (self.library / folder / "moved" / "deeper" / "6.jpg").touch()

    @rule(folder=folders)
    def delete_folder(self, folder):
        if folder:
            shutil.rmtree(self.library / folder, ignore_errors=True)

    @rule(folder=folders)
    def restore_folder(self, folder):
        if self.online:
            (self.library / folder).mkdir(parents=True, exist_ok=True)

    @rule(folder=folders)
    def move_out(self, folder):
        with contextlib.suppress(OSError):
            (self.library / folder).rename(self.outside / "taken")
            (self.outside / "taken" / "1.jpg").touch()

    @rule(folder=folders)
    def move_in(self, folder):
        with contextlib.suppress(OSError):
            (self.outside / "taken").rename(self.library / folder / "back")

    @rule(folder=folders)
    def toggle_nomedia(self, folder):
        marker = self.library / folder / ".nomedia"
        if marker.exists():
            marker.unlink()
        elif marker.parent.is_dir() and folder:
            marker.touch()

    @precondition(lambda self: self.online)
    @rule(exclude=st.sampled_from(EXCLUDES))
    def reload(self, exclude):
        self.exclude = exclude
        self.run(self.watched.reload(self.watched.configs, SETTLE, exclude))

    @precondition(lambda self: self.online)
    @rule()
    def unplug_and_plug(self):
        self.quiet()
        before = self.watched.files()
        self.library.rename(self.base / "unplugged")
        self.run(self.watched.reconciler.barrier())
        assert self.watched.files() == before
        (self.base / "unplugged").rename(self.library)

    @rule()
    def restart(self):
        self.stop()
        self.start()

    @rule()
    def restart_after_changes(self):
        self.stop()
        self.write("a/1.jpg")
        self.rename("1.jpg", "a/c/3.png")
        self.move_folder("a", "b")
        self.delete("b/1.jpg")
        self.start()

    @precondition(lambda self: self.online)
    @rule()
    def quiet(self):
        self.run(self.watched.reconciler.barrier())
        if not self.watched.agrees():
            in_catalog, on_disk = set(self.watched.files()), set(self.watched.on_disk())
            pytest.fail(f"only in catalog {in_catalog - on_disk}, on disk {on_disk - in_catalog}")
        self.watched.read_all()


TestWatching = WatchingMachine.TestCase
TestWatching.settings = settings(
    max_examples=15,
    derandomize=True,  # the same operations each time: surprises belong to the night
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.nightly
@pytest.mark.timeout(7200)
class TestWatchingForLong(WatchingMachine.TestCase):
    """At least 100,000 operations."""

    settings = settings(
        max_examples=2500,
        stateful_step_count=50,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
