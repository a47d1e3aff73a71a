"""Calling something in a forked process, beside threads of any kind."""

import os
import pickle
import select
import signal
import warnings

from running import DEADLINE_S


class Fork:
    """A process forked off to call something.

    Args:
        call: what it calls; `told` waits for what that returns.
        stays: it lives until `end`, rather than until it has told.
    """

    def __init__(self, call, *, stays=False):
        self._reading, writing = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
            self.pid = os.fork()
        if self.pid:
            os.close(writing)
            return
        try:
            try:
                told = call()
            except BaseException as error:  # noqa: BLE001  # nothing may leave the child
                told = error
            os.write(writing, pickle.dumps(told))
            os.close(writing)
            if stays:
                signal.pause()
        finally:
            os._exit(0)

    def told(self):
        """Return what the call returned, or the error that it raised."""
        ready, _, _ = select.select([self._reading], [], [], DEADLINE_S)
        assert ready, "it hangs"
        with open(self._reading, "rb", closefd=False) as pipe:
            return pickle.load(pipe)  # noqa: S301  # our own

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._reading)


def in_a_fork(call):
    """Return what `call` returns in a forked process, or the error that it raises."""
    fork = Fork(call)
    try:
        return fork.told()
    finally:
        fork.end()
