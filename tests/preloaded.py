"""Python processes that have imported the program before they start: a daemon starts 0.8 s sooner.

Each test process has one process that imports it all and is forked for whatever is started. Its
children differ from those of `subprocess` in their command line alone, which is its own.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

_LARGEST = 1 << 20  # bytes of a request
# What Python and libraries look at as they start: with another value, a process starts by itself.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "OMP_", "OPENBLAS_", "MKL_", "MALLOC_", "GLIBC_")
_IMPORTED = ("imgvecd.cli.main", "imgvecd.client.main", "imgvecd.wiring.serving")


class _Preloaded:
    """The process that is forked. Thread-safe."""

    def __init__(self):
        self._asking = threading.Lock()
        self._environment = dict(os.environ)
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, __file__, str(number)]
            null = subprocess.DEVNULL
            self._process = subprocess.Popen(command, pass_fds=[number], stdin=null, stdout=null)

    def fits(self, environment):
        """Whether a process with this environment would have started as this one did."""
        names = environment.keys() ^ self._environment.keys()
        names |= {name for name in environment if environment[name] != self._environment.get(name)}
        folders = environment.get("PYTHONPATH", "").split(os.pathsep)
        customized = any(os.path.exists(os.path.join(f, "sitecustomize.py")) for f in folders if f)
        names -= {"PYTHONPATH"}
        return not customized and not any(name.startswith(_READ_AT_START) for name in names)

    def fork(self, module, arguments, environment, files):
        """Run a module with these as standard input, output and error; return its process id."""
        with open("/proc/self/status") as status:  # os.umask would change it for all threads
            (umask,) = (int(line.split()[1], 8) for line in status if line.startswith("Umask:"))
        return self._ask((module, arguments, environment, os.getcwd(), umask), files)

    def status(self, process):
        """Return how a process ended, as `os.waitpid` does; waits for that, and answers once."""
        return self._ask(process, [])

    def close(self):
        self._socket.close()
        self._process.wait()

    def _ask(self, request, files):
        with self._asking:
            socket.send_fds(self._socket, [json.dumps(request).encode()], files)
            return json.loads(self._socket.recv(_LARGEST))


class _Forked:
    """What tests use of `subprocess.Popen`."""

    def __init__(self, preloaded, module, arguments, environment, files):
        self.args = (module, *arguments)
        self.pid = preloaded.fork(module, arguments, environment, files)
        self.returncode = None
        self._preloaded = preloaded
        self._ended = os.pidfd_open(self.pid)

    def poll(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout=None):
        if self.returncode is None:
            if not select.select([self._ended], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.returncode = os.waitstatus_to_exitcode(self._preloaded.status(self.pid))
            os.close(self._ended)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def terminate(self):
        self.send_signal(signal.SIGTERM)


_by_owner = {}  # a test process that was forked has its own


def start(module, *arguments, env, files):
    """Run a module of Python with these as standard input, output and error; return its process."""
    arguments = [os.fsdecode(a) if isinstance(a, bytes) else str(a) for a in arguments]
    preloaded = _by_owner.get(os.getpid())
    if preloaded is None:
        preloaded = _by_owner[os.getpid()] = _Preloaded()
        atexit.register(preloaded.close)
    if not preloaded.fits(env):
        command = [sys.executable, "-m", module, *arguments]
        given, output, errors = files
        return subprocess.Popen(command, env=env, stdin=given, stdout=output, stderr=errors)
    return _Forked(preloaded, module, arguments, env, [file.fileno() for file in files])


def run(module, *arguments, env, given=b"", timeout=None):
    """Run a module of Python to its end; return it as `subprocess.run` does, with its output."""
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(given)
        files[0].seek(0)
        process = start(module, *arguments, env=env, files=files)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        for file in files:
            file.seek(0)
        _, output, errors = (file.read() for file in files)
        return subprocess.CompletedProcess(process.args, code, output, errors)


def _import_all():
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.freeze()


def _serve(asking):
    """Fork whenever asked to; return, in the child alone, what it is to run."""
    while True:
        asked, files, _, _ = socket.recv_fds(asking, _LARGEST, 3)
        if not asked:
            sys.exit()
        request = json.loads(asked)
        if isinstance(request, int):
            answer = os.waitpid(request, 0)[1]
        else:
            answer = os.fork()
            if not answer:
                asking.close()
                return request, files
        for file in files:
            os.close(file)
        asking.send(json.dumps(answer).encode())


def _become(environment, folder, umask, files):
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    os.umask(umask)
    sys.path[:1] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    random.seed()


if __name__ == "__main__":
    _import_all()
    asked, files = _serve(socket.socket(fileno=int(sys.argv[1])))
    module, arguments, environment, folder, umask = asked
    _become(environment, folder, umask, files)
    sys.argv[1:] = arguments
    sys.modules.pop(module, None)  # it is to be run, whether it was imported or not
    runpy.run_module(module, run_name="__main__", alter_sys=True)
