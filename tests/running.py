"""Starting, asking and stopping a real daemon, and waiting, for tests and benchmarks."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

# Folders of the user; and that Python keeps no bytecode, which every installation has.
_FOREIGN = ("XDG_", "PYTHONDONTWRITEBYTECODE")
DEADLINE_S = 240  # a slow machine under load; every wait ends as soon as its condition holds


async def eventually(condition):
    """Wait until `condition()` holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.01)


def wait_until(condition, said=lambda: ""):
    """Wait until `condition()` holds, in a thread; `said()` tells what there was instead."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() < began + DEADLINE_S, said()
        time.sleep(0.02)


def flood(process, number):
    """Send a signal as fast as it can be sent, until the process has ended; return its status."""
    ends_at = time.monotonic() + DEADLINE_S
    while process.poll() is None and time.monotonic() < ends_at:
        os.kill(process.pid, number)
    return process.poll()


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout=DEADLINE_S + 60):  # what waits for the daemon's own deadline
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self._path)  # with a time limit it would not wait for a full queue
        self.sock.settimeout(self.timeout)


class RunningDaemon:
    """`imgvecd serve` in a home directory of its own.

    Args:
        home: made if missing; a second daemon with the same home finds the first one's state.
        folders: the roots.
        settings: as for `--set`, with `__` for dots: `watch__settle_ms=100`.
        module: what is run; `fast_daemon` needs no model.
        wrapper: a command that starts the daemon in its own process, as `setpriv` does.
        wait: return once it answers; else at once.
        kept: a home without state starts with what `keep_state` makes; else the whole model is
            loaded, as at the very first start.
        options: for `subprocess.Popen`.

    Attributes:
        keep_state: fills a state directory with what the embedded model keeps; set in tests alone.
        preloaded: starts modules of Python in processes that have imported much; in tests alone.
    """

    keep_state = None
    preloaded = None

    def __init__(
        self,
        home,
        folders,
        settings=None,
        *,
        executable=sys.executable,
        env=None,
        module="imgvecd.cli.main",
        wrapper=(),
        wait=True,
        kept=True,
        **options,
    ):
        self.home = Path(home)
        runtime = self.home / "run"
        runtime.mkdir(parents=True, exist_ok=True)
        self.socket = runtime / "imgvecd" / "imgvecd.sock"
        self.state = self.home / ".local" / "state" / "imgvecd"
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)},
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(runtime),
            "HF_HUB_OFFLINE": "1",
            **(env or {}),
        }
        flags = [flag for folder in folders for flag in ("--root", str(folder))]
        settings = dict(settings or {})
        if not any(key.startswith("model") for key in settings):
            settings["model"] = "imgvecd-mini"  # `auto` would go and look for a larger one
        settings.setdefault("indexing__pause_on_battery", "false")  # of whoever runs the tests
        if self.keep_state is not None:
            # who works at low priority waits for all other tests, up to what they have patience for
            settings.setdefault("indexing__niceness", 0)
            settings.setdefault("server__timeout_s", DEADLINE_S)
        if kept and self.keep_state is not None:
            # a second worker takes longer to start than a few photos to decode
            settings.setdefault("decode__workers", 1)
            mini = module == "imgvecd.cli.main" and settings.get("model") == "imgvecd-mini"
            if mini and not wrapper and not self.state.exists():
                self.keep_state(self.state)
        for key, value in settings.items():
            flags += ["--set", f"{key.replace('__', '.')}={value}"]
        self.log = self.home / "daemon.log"
        self.process: Any
        with open(self.log, "ab") as log, open(os.devnull) as nothing:
            if self.preloaded and not wrapper and not options and executable == sys.executable:
                files = [nothing, log, log]
                self.process = self.preloaded.start(
                    module, "serve", *flags, env=self.env, files=files
                )
            else:
                self.process = subprocess.Popen(
                    [*wrapper, executable, "-m", module, "serve", *flags],
                    env=self.env,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    **options,
                )
        if wait:
            try:
                self.wait_until(self.answers)
            except BaseException:
                self.kill()  # nobody else has it yet
                raise

    def request(self, method, path, body=None):
        """Return (status, answer)."""
        connection = Connection(self.socket)
        try:
            data = None if body is None else json.dumps(body)
            headers = {"Content-Type": "application/json"} if data else {}
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def get(self, path, **query):
        status, answer = self.request("GET", f"{path}?{urlencode(query)}" if query else path)
        assert status == 200, answer
        return answer

    def post(self, path, body=None):
        status, answer = self.request("POST", path, body or {})
        assert status == 200, answer
        return answer

    def sync(self):
        """Return once all that is on disk is indexed, or has failed."""
        self.post("/v1/sync", {"timeout_s": DEADLINE_S})

    def search(self, text, limit=5):
        """Return the paths found, best first."""
        answer = self.post("/v1/search", {"text": text, "limit": limit, "all": True})
        return [hit["path"] for hit in answer["hits"]]

    def status(self):
        return self.get("/v1/status")

    def is_idle(self):
        """Whether all that the daemon knows of is indexed."""
        status = self.status()
        return status["state"] == "idle" and not status["files"]["pending"]

    def wait_until_indexed(self, count):
        """Return the status once `count` files are indexed and nothing is left to do."""

        def indexed():
            status = self.status()
            done = status["state"] == "idle" and status["files"]["indexed"] == count
            return status if done else None

        return self.wait_until(indexed)

    def wait_until(self, condition, timeout_s=DEADLINE_S):
        """Return the first true value of `condition()`; fail with the log if it does not come."""
        began = time.monotonic()
        while (passed := time.monotonic() - began) < timeout_s:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"the daemon ended ({self.process.returncode}):\n{self.tail()}"
                )
            value = condition()
            if value:
                return value
            time.sleep(min(0.02 + passed / 20, 0.2))  # asking costs the daemon what it waits for
        raise AssertionError(f"{condition} did not come true:\n{self.tail()}")

    def imgvec(self, *arguments):
        """Run the query tool and return the finished process; output is bytes."""
        return self._command("imgvecd.client.main", arguments)

    def imgvecd(self, *arguments):
        """Run the daemon's command line, likewise."""
        return self._command("imgvecd.cli.main", arguments)

    def _command(self, module, arguments):
        if self.preloaded:
            return self.preloaded.run(module, *arguments, env=self.env, timeout=DEADLINE_S)
        return subprocess.run(
            [sys.executable, "-m", module, *map(str, arguments)],
            env=self.env,
            capture_output=True,
            check=False,
            timeout=DEADLINE_S,
        )

    def stop(self):
        """SIGTERM; return the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def kill(self):
        """SIGKILL, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE_S)

    def tail(self):
        return self.log.read_text(errors="replace")[-4000:]

    def answers(self):
        """Whether this very daemon serves its socket."""
        try:
            return self.status()["pid"] == self.process.pid
        except (OSError, http.client.HTTPException):
            return None
