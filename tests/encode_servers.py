"""Real encode servers for tests."""

import contextlib
import json
import os
import sqlite3
import time
from pathlib import Path

import numpy as np
import preloaded
from certificates import make_certificate
from ports import free_port
from running import DEADLINE_S

from imgvecd.core.index.packed_vectors import packed_type, unpacked

TOKEN = "a-token-of-the-tests"  # noqa: S105


class RunningEncodeServer:
    """`imgvecd encode-server` with TLS and a token, in a home of its own.

    Args:
        home: made if missing.
        module: `fast_daemon` needs no model.
        models: as for `--model`.
        port: to be used again after a restart; None takes a free one.
        certificate: (certificate, key) instead of a new one.
        env: on top of the test's own.
    """

    def __init__(
        self,
        home,
        *,
        module="fast_daemon",
        models=("imgvecd-mini",),
        port=None,
        certificate=None,
        token=TOKEN,
        env=None,
    ):
        self.home = Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.cert, self.key = certificate or make_certificate(self.home / "tls")
        self.token_file = self.home / "token"
        self.token_file.write_text(token + "\n")
        self.token_file.chmod(0o600)
        self.url = f"https://localhost:{self.port}"
        self.log = self.home / "server.log"
        self._module = module
        self._models = models
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("XDG_")},
            "HOME": str(self.home),
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(Path(__file__).parent),
            "ENCODED": str(self.home / "encoded"),
            **(env or {}),
        }
        self.process = None

    def start(self, *, wait=True):
        """Start it; return once it listens."""
        said = self.log.read_text().count("imgvecd encode-server: ") if self.log.exists() else 0
        command = ["encode-server"]
        command += ["--listen", f"127.0.0.1:{self.port}", "--token-file", str(self.token_file)]
        command += ["--tls-cert", str(self.cert), "--tls-key", str(self.key)]
        command += [flag for model in self._models for flag in ("--model", model)]
        with open(self.log, "ab") as log, open(os.devnull) as nothing:
            files = [nothing, log, log]
            self.process = preloaded.start(self._module, *command, env=self.env, files=files)
        if wait:
            self.wait_until(lambda: self.log.read_text().count("imgvecd encode-server: ") > said)
        return self

    def wait_until(self, condition):
        began = time.monotonic()
        while time.monotonic() < began + DEADLINE_S:
            assert self.process.poll() is None, self.log.read_text()
            if condition():
                return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def stop(self, number):
        """Send the signal; return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE_S)

    def encoded(self):
        """How many images its workers have encoded."""
        with contextlib.suppress(FileNotFoundError):
            return (self.home / "encoded").read_text().count("\n")
        return 0

    def setting(self, **changes):
        """The value of `encode.remote` for a daemon that uses it."""
        server = {
            "url": self.url,
            "token_file": str(self.token_file),
            "ca_file": str(self.cert),
            **changes,
        }
        return json.dumps([server])


def stored(state):
    """Return the embeddings in a closed library's catalog, as it keeps them, by content hash."""
    with sqlite3.connect(state / "catalog.sqlite") as catalog:
        rows = catalog.execute(
            "SELECT contents.hash, vector FROM embeddings JOIN contents"
            " ON contents.id = embeddings.key & ((1 << 40) - 1)"
        ).fetchall()
    return dict(rows)


def vectors(state):
    """Return the embeddings in a closed library's catalog by content hash."""
    return {
        digest: unpacked(np.frombuffer(vector, packed_type((len(vector) - 4) // 2)))[0]
        for digest, vector in stored(state).items()
    }


def no_failures(daemon):
    assert daemon.status()["files"]["failed"] == 0
    assert daemon.get("/v1/failures")["failures"] == []


def encoded_here(daemon):
    return (daemon.home / "encoded").exists()
