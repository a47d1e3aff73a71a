"""What a command shows on a terminal."""

import os
import pty
import subprocess
import sys


def on_terminal(module, environment, *arguments):
    """Return what a command writes to a terminal, on standard output or error, as bytes."""
    reading, writing = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=writing,
    ):
        os.close(writing)
        shown = b""
        try:
            while chunk := os.read(reading, 4096):
                shown += chunk
        except OSError:  # EIO: the other end is closed
            pass
    os.close(reading)
    return shown.replace(b"\r\n", b"\n")
