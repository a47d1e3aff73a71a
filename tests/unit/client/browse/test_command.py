import json
import os
import signal
import subprocess
import sys

import pytest
from ports import free_port
from running import flood, wait_until

from imgvecd.client.browse import command
from imgvecd.client.program import parser
from imgvecd.client.query import protect_negatives


def test_words_with_a_minus_are_asked_as_well(monkeypatch):
    made = []
    monkeypatch.setattr(command, "_serve", lambda make, _: made.append(make()) or 0)
    given = protect_negatives(["browse", "--no-open", "a", "cat", "-dog"])
    assert command.run(parser().parse_args(given)) == 0
    assert made[0]._query == "a cat -dog"


@pytest.fixture
def served(tmp_path):
    """`imgvec browse --serve`, with no daemon to ask; what it says goes to "log"."""
    (tmp_path / "secret").write_text("s3cret-" * 6)
    (tmp_path / "secret").chmod(0o600)
    config, log = tmp_path / "config.yaml", tmp_path / "log"
    listen = f"127.0.0.1:{free_port()}"
    browse = {"listen": listen, "secret_file": str(tmp_path / "secret")}
    config.write_text(json.dumps({"browse": browse}))
    command = [sys.executable, "-m", "imgvecd.client.main", "browse", "--serve"]
    env = {**os.environ, "HOME": str(tmp_path), "IMGVECD_CONFIG": str(config)}
    with open(log, "wb") as said, subprocess.Popen(command, env=env, stdout=said, stderr=said) as p:
        wait_until(lambda: listen in log.read_text(), log.read_text)
        yield p
        p.kill()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_flood_of_signals_ends_it_as_one_does(served, tmp_path, number, status):
    assert flood(served, number) == status
    assert "Traceback" not in (tmp_path / "log").read_text()
