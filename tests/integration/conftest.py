"""A real daemon on a copy of real photos."""

import shutil
from pathlib import Path

import pytest
from running import RunningDaemon

TESTS = Path(__file__).parents[1]
SHIPPED = Path(__file__).parents[1] / "data" / "photos"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "library"


@pytest.fixture
def shipped_photos(tmp_path):
    """A folder with the project's own pictures, some of them in nested folders with odd names."""
    folder = tmp_path / "Fotos of mine"
    places = {"cat.jpg": "2023/海边", "coffee.jpg": "2023/my trip", "rocket.jpg": "2024"}
    for photo in SHIPPED.glob("*.jpg"):
        target = folder / places.get(photo.name, "")
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo, target)
    return folder


@pytest.fixture
def shared_photos(tmp_path):
    """A copy of the larger library of real photos that lies beside the project, if it does."""
    if not SHARED.is_dir():
        pytest.skip("the larger photo library does not lie beside the project")
    return Path(shutil.copytree(SHARED, tmp_path / "library"))


@pytest.fixture
def start_fast(tmp_path):
    """As `start`, with the fast encoder; `committed` has a line for each content encoded."""
    daemons = []

    def start_daemon(*folders, home="home", **settings):
        env = {
            "PYTHONPATH": f"{TESTS}:{TESTS.parent}",
            "ENCODED": str(tmp_path / "encoded"),
            "COMMITTED": str(tmp_path / "committed"),
        }
        daemon = RunningDaemon(tmp_path / home, folders, settings, module="fast_daemon", env=env)
        daemons.append(daemon)
        daemon.sync()
        return daemon

    yield start_daemon
    for daemon in daemons:
        daemon.kill()


@pytest.fixture
def start(tmp_path, request):
    """A function that starts a daemon on a folder; it is stopped at the end.

    With the mark `any_encoder` it has the fast encoder, which takes half the processor time.
    """
    daemons = []
    any_encoder = request.node.get_closest_marker("any_encoder") is not None

    def start_daemon(*folders, env=None, wrapper=(), kept=True, wait=True, **settings):
        home = tmp_path / "home"
        options = {"env": env, "wait": wait}
        if any_encoder:
            own = {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "ENCODED": str(tmp_path / "encoded")}
            options |= {"env": {**own, **(env or {})}, "module": "fast_daemon"}
        daemon = RunningDaemon(home, folders, settings, wrapper=wrapper, kept=kept, **options)
        daemons.append(daemon)
        return daemon

    yield start_daemon
    for daemon in daemons:
        daemon.kill()
