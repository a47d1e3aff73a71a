import os
import threading

from running import DEADLINE_S

from imgvecd.adapters.watchdog_observer import ObserverWatcher
from imgvecd.types import Coverage


def test_one_watch_hears_of_everything_below(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    heard = threading.Event()

    def hear(hint):
        if (hint.directory, hint.name) == (os.fsencode(tmp_path / "a" / "b"), b"x.jpg"):
            heard.set()

    watcher = ObserverWatcher()
    watcher.start(hear)
    try:
        assert watcher.watch(os.fsencode(tmp_path)) is Coverage.EVENTS
        assert watcher.watch(os.fsencode(tmp_path / "a" / "b")) is Coverage.EVENTS
        assert watcher.watch(os.fsencode(tmp_path / "missing-below")) is Coverage.EVENTS
        (tmp_path / "a" / "b" / "x.jpg").write_bytes(b"x")
        assert heard.wait(DEADLINE_S)
    finally:
        watcher.stop()


def test_a_missing_folder_is_not_watched(tmp_path):
    watcher = ObserverWatcher()
    watcher.start(lambda _: None)
    try:
        assert watcher.watch(os.fsencode(tmp_path / "missing")) is Coverage.UNAVAILABLE
    finally:
        watcher.stop()
