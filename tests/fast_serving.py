"""Real daemons with the fast encoder."""

import contextlib
from pathlib import Path

from running import RunningDaemon


@contextlib.contextmanager
def serving(home):
    """Yield a function that starts a daemon on folders, in `home`; all are ended at the end."""
    daemons = []

    def serve_daemon(*folders, wait=True, **settings):
        home.mkdir(exist_ok=True)
        env = {
            "PYTHONPATH": str(Path(__file__).parent),
            "ENCODED": str(home / "encoded"),
        }
        settings = {"watch__settle_ms": 50, **settings}
        daemon = RunningDaemon(home, folders, settings, env=env, module="fast_daemon", wait=wait)
        daemons.append(daemon)
        return daemon

    try:
        yield serve_daemon
    finally:
        for daemon in daemons:
            daemon.kill()
