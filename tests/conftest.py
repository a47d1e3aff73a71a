"""What all test processes of one run share."""

import os
import shutil
import signal
import sys
import tempfile

import preloaded
import pytest
from kept_state import FOLDER_VARIABLE, keep_state
from milvus_server import milvus, milvus_database  # noqa: F401  # fixtures for everybody
from postgres_databases import database, postgres  # noqa: F401
from running import RunningDaemon

# A run starts hundreds of processes: what one has compiled is for all.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # in the background of a shell; what tests start would not hear Ctrl-C either
        signal.signal(signal.SIGINT, signal.default_int_handler)
    RunningDaemon.keep_state = staticmethod(keep_state)
    RunningDaemon.preloaded = preloaded
    # Several test processes share the cores: threads that wait for each other spin there, and
    # loading the embedded model took nine times the processor that it needs.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # as README asks for: else messages would name the programs by their paths
    os.environ["PATH"] = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    if not hasattr(config, "workerinput"):  # xdist's workers inherit it
        os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="imgvecd-tests-")


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(FOLDER_VARIABLE), ignore_errors=True)


@pytest.fixture(autouse=True, scope="module")
def worker_start(request):
    """Workers are forked from a process that has imported what they import, but where a module
    says that they are started as they are for users.
    """
    if request.node.get_closest_marker("started_workers") is None:
        preloaded.fork_workers()
    yield
    preloaded.start_workers()


@pytest.fixture(autouse=True)
def one_umask():
    """Commands that serve take rights from all that they make: tests after them do not."""
    before = os.umask(0o077)
    os.umask(before)
    yield
    os.umask(before)


def pytest_collection_modifyitems(config, items):
    """Test processes begin with what takes long, so that none ends long after the others."""
    if hasattr(config, "workerinput"):
        unit = config.rootpath / "tests" / "unit"
        items.sort(key=lambda item: item.path.is_relative_to(unit))
