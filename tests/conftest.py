"""What all test processes of one run share."""

import os
import shutil
import tempfile

from kept_state import FOLDER_VARIABLE


def pytest_configure(config):
    if not hasattr(config, "workerinput"):  # xdist's workers inherit it
        os.environ[FOLDER_VARIABLE] = tempfile.mkdtemp(prefix="imgvecd-tests-")


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(FOLDER_VARIABLE), ignore_errors=True)
