"""The real encoder killed as often as it starts: searching goes on, and so does the work later."""

import contextlib
import shutil
import threading

import psutil
import pytest
from pictures import draw
from running import RunningDaemon

pytestmark = pytest.mark.started_workers

PHOTOS = "tests/data/photos"


@pytest.fixture
def killing():
    """A function that has every encoder of a daemon killed at once, until the event it returns."""
    stops, threads = [], []

    def kill_all(process):
        stop = threading.Event()

        def work():
            while not stop.wait(0.02):
                with contextlib.suppress(psutil.Error):
                    for child in process.children():
                        if "imgvecd.workers.encode" in child.cmdline():
                            child.kill()

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        stops.append(stop)
        return stop

    yield kill_all
    for stop in stops:
        stop.set()
    for thread in threads:
        thread.join()


@pytest.mark.nightly  # some 15 s of waiting
def test_a_crash_loop_shows_and_ends(tmp_path, pytestconfig, killing):
    photos = shutil.copytree(pytestconfig.rootpath / PHOTOS, tmp_path / "photos")
    count = len(list(photos.glob("*.jpg")))
    settings = {"encode__idle_s": 0.2}
    daemon = RunningDaemon(tmp_path / "home", [photos], settings)
    try:
        daemon.wait_until_indexed(count)
        known = daemon.search("a cat", 3)
        stop = killing(psutil.Process(daemon.process.pid))
        draw(photos / "new.png", 1)

        def reasons():
            return " ".join(daemon.get("/v1/health").get("reasons", ()))

        # visible: in health, in status, with the pause before the next try
        daemon.wait_until(lambda: "cannot be loaded" in reasons() or "times in a row" in reasons())
        assert daemon.get("/v1/health")["status"] == "degraded"
        status = daemon.status()
        assert status["warnings"]
        assert status["files"]["pending"] == 1
        # a stored image and a text that was asked before need no model
        assert daemon.search("a cat", 3) == known
        code, found = daemon.request("POST", "/v1/search", {"image": {"id": 1}, "limit": 5})
        assert (code, len(found["hits"])) == (200, 5)
        # what needs the model is refused, and says why
        body = {"image": {"path": str(photos / "new.png")}}
        code, problem = daemon.request("POST", "/v1/search", body)
        assert code == 503
        assert problem["code"] in {"model", "worker"}

        stop.set()
        daemon.wait_until_indexed(count + 1)
        daemon.wait_until(lambda: daemon.get("/v1/health")["status"] == "ok")
        assert not daemon.get("/v1/failures")["failures"]  # the picture is not to blame
        assert daemon.stop() == 0
    finally:
        daemon.kill()
