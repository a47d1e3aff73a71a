"""A stand-in for the daemon that answers what a test tells it to, and a way to run `imgvec`."""

from __future__ import annotations

import os

import preloaded
import pytest
from answering import running
from running import DEADLINE_S


@pytest.fixture
def server(tmp_path):
    with running(str(tmp_path / "s")) as server:
        yield server


@pytest.fixture
def environment(tmp_path, server):
    clean = {name: value for name, value in os.environ.items() if "IMGVECD" not in name}
    return {**clean, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")} | {
        "IMGVECD_SOCKET": server.server_address
    }


@pytest.fixture
def imgvec(environment):
    def run(*arguments, stdin=b"", **changes):
        env = {**environment, **changes}
        return preloaded.run(
            "imgvecd.client.main", *arguments, env=env, given=stdin, timeout=DEADLINE_S
        )

    return run
