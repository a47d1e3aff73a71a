"""What all unit tests share."""

import tempfile
from pathlib import Path

import pytest
from memory import room_in_memory


@pytest.fixture
def tmp_path(tmp_path):
    """A folder in memory: a catalog flushes with every commit, and here no disk is needed."""
    place = room_in_memory() or tmp_path
    with tempfile.TemporaryDirectory(dir=place, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
