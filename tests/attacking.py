"""Having one of `hostile/attacks.py` under way."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys

ATTACKS = pathlib.Path(__file__).parent / "hostile" / "attacks.py"


@contextlib.contextmanager
def attacking(*arguments, env=None):
    """Attack from the moment that it has begun; what it has started ends with it.

    Args:
        arguments: of `attacks.py`.
    """
    attack = subprocess.Popen(
        [sys.executable, ATTACKS, *map(str, arguments)],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with attack:
        assert attack.stdout.readline() == "begun\n"
        yield
        os.killpg(attack.pid, signal.SIGKILL)
