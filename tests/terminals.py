"""Commands on terminals."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios


class Terminal:
    """A terminal of which one program has control.

    Nothing of Python runs between fork and exec: where libraries have been at work, such as torch
    and OpenVINO, what did was seen to end by a segmentation fault.

    Args:
        options: for `subprocess.Popen`.

    Attributes:
        process: of the program.
    """

    def __init__(self, command, *, columns=100, rows=30, **options):
        self._ours, theirs = pty.openpty()
        self.resize(columns, rows)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command], stdin=theirs, stdout=theirs, stderr=theirs, **options
        )
        os.close(theirs)

    def resize(self, columns, rows):
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def send(self, text):
        """Type what is given, as text or bytes."""
        os.write(self._ours, text.encode() if isinstance(text, str) else text)

    def read(self, timeout_s):
        """Return what has been written since, empty if nothing comes; EOFError at the end."""
        if not select.select([self._ours], [], [], timeout_s)[0]:
            return b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            if data := os.read(self._ours, 65_536):
                return data
        raise EOFError

    def close(self):
        """Hang up; end the program if that does not."""
        os.close(self._ours)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


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
