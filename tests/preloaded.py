"""Python processes that have imported the program before they start: a daemon starts 0.8 s sooner.

Each test process has one process that imports it all and is forked for whatever is started. So are
the workers of test processes and daemons, after `fork_workers`: a daemon has a process of its own
to be forked, since workers are children of who uses them. What is forked differs from children of
`subprocess` in what it has imported, in the address space that this takes, and in that it does not
tear down all of this at its end: that took 70 ms of a processor, since each page is copied first.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import inspect
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
_LONGEST_COMMAND = 4000  # bytes that are shown of it
# What Python and libraries look at as they start: with another value, a process starts by itself.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "OMP_", "OPENBLAS_", "MKL_", "MALLOC_", "GLIBC_")
_IMPORTED = (
    "imgvecd.cli.main",
    "imgvecd.cli.program",
    "imgvecd.client.main",
    "imgvecd.client.program",
    "imgvecd.wiring.serving",
    "imgvecd.workers.decode",
    "imgvecd.workers.encode",
    "imgvecd.adapters.imagetower",
    "imgvecd.adapters.texttower",
)
_WORKERS = ("imgvecd.workers.decode", "imgvecd.workers.encode", "fast_encoder")
_WITHOUT_WORKERS = (*_WORKERS, "imgvecd.client.main", "imgvecd.client.program")
_FORKED_WORKERS = "FORKED_WORKERS"  # in the environment of a daemon that is to fork its workers
_ARENAS = "MALLOC_ARENA_MAX"
_SET_LATER = {"PYTHONPATH", _ARENAS, "OMP_WAIT_POLICY"}  # with one thread none waits
_M_ARENA_MAX = -8  # malloc.h
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


class _Preloaded:
    """The process that is forked. Thread-safe."""

    def __init__(self, asking, environment):
        self._asking = threading.Lock()
        self._environment = environment
        self._socket = asking
        self._adopting = threading.Lock()

    def fits(self, environment):
        """Whether a process with this environment would have started as this one did."""
        names = environment.keys() ^ self._environment.keys()
        names |= {name for name in environment if environment[name] != self._environment.get(name)}
        folders = environment.get("PYTHONPATH", "").split(os.pathsep)
        customized = any(os.path.exists(os.path.join(f, "sitecustomize.py")) for f in folders if f)
        names -= _SET_LATER
        return not customized and not any(name.startswith(_READ_AT_START) for name in names)

    def fork(self, module, arguments, environment, files):
        """Run a module with these as standard input, output and error; return its process id."""
        with open("/proc/self/status") as status:  # os.umask would change it for all threads
            (umask,) = (int(line.split()[1], 8) for line in status if line.startswith("Umask:"))
        return self._ask((module, arguments, environment, os.getcwd(), umask), files)

    def fork_worker(self, module, arguments, environment, files):
        """Likewise, as a child of this process, in a process group of its own."""
        prctl = ctypes.CDLL(None).prctl
        with self._adopting:
            prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what lost its parent is ours
            try:
                return self._ask((module, arguments, environment, None, None), files)
            finally:
                prctl(_PR_SET_CHILD_SUBREAPER, 0)

    def status(self, process):
        """Return how a process ended, as `os.waitpid` does; waits for that, and answers once."""
        return self._ask(process, [])

    def close(self):
        """Have it end, which it does soon."""
        self._socket.close()

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


class _ForkingWorkers(subprocess.Popen):
    """`subprocess.Popen`, but what is to be a worker is forked from the preloaded process."""

    def _execute_child(self, *arguments):
        of = inspect.signature(super()._execute_child).bind(*arguments).arguments
        module, given = _worker_of(of["args"])
        environment = of["env"]
        channel, output = of["p2cread"], of["c2pwrite"]
        preloaded = _mine() if module and -1 not in {channel, output} else None
        if preloaded is None or not preloaded.fits(environment):
            super()._execute_child(*arguments)
            return
        files = [channel, output, output]
        self.pid = preloaded.fork_worker(module, given, environment, files)
        self._child_created = True
        os.close(output)


def fork_workers():
    """Have the workers of this process forked from here on, and those of daemons started here."""
    subprocess.Popen = _ForkingWorkers
    os.environ[_FORKED_WORKERS] = "1"


def start_workers():
    """Have workers started as everywhere else."""
    subprocess.Popen = _POPEN
    os.environ.pop(_FORKED_WORKERS, None)


_POPEN = subprocess.Popen
_by_owner = {}  # a test process that was forked has its own


def _mine():
    """Return the process that this one forks; it is started if it is missing."""
    preloaded = _by_owner.get(os.getpid())
    if preloaded is None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number, null = theirs.fileno(), subprocess.DEVNULL
            command = [sys.executable, __file__, str(number), "." * _LONGEST_COMMAND]
            process = _POPEN(command, pass_fds=[number], stdin=null, stdout=null)
        preloaded = _by_owner[os.getpid()] = _Preloaded(ours, dict(os.environ))
        atexit.register(process.wait)
        atexit.register(preloaded.close)
    return preloaded


def _worker_of(command):
    """Return which worker a command starts, and its arguments; the module may be none."""
    if isinstance(command, list | tuple) and list(command[:3]) == [sys.executable, "-P", "-m"]:
        module, *arguments = command[3:]
        if module in _WORKERS:
            return module, arguments
    return None, []


def start(module, *arguments, env, files):
    """Run a module of Python with these as standard input, output and error; return its process."""
    arguments = [os.fsdecode(a) if isinstance(a, bytes) else str(a) for a in arguments]
    preloaded = _mine()
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
    importlib.import_module("imgvecd.adapters.pillow").preload()
    gc.freeze()


def _serve(asking):
    """Fork whenever asked to; return, in the child alone, what it is to run."""
    while True:
        asked, files, _, _ = socket.recv_fds(asking, _LARGEST, 3)
        if not asked:
            os._exit(0)
        request = json.loads(asked)
        if isinstance(request, int):
            answer = os.waitpid(request, 0)[1]
        else:
            answer = _fork_orphan() if request[-1] is None else os.fork()
            if not answer:
                asking.close()
                return request, files
        for file in files:
            os.close(file)
        asking.send(json.dumps(answer).encode())


def _fork_orphan():
    """Fork a process whose parent is whoever adopts orphans of this one; 0 in that process."""
    reading, writing = os.pipe()
    between = os.fork()
    if not between:
        between = os.getpid()
        orphan = os.fork()
        if orphan:
            os.write(writing, orphan.to_bytes(4, "little"))
            os._exit(0)
        os.close(reading)
        os.close(writing)
        os.setpgid(0, 0)
        while os.getppid() == between:
            os.sched_yield()
        return 0
    os.close(writing)
    orphan = os.read(reading, 4)
    os.close(reading)
    os.waitpid(between, 0)
    return int.from_bytes(orphan, "little")


def _serve_workers():
    """Keep a process to fork workers of; return, in those alone, what they are to run."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    if os.fork():
        theirs.close()
        preloaded = _by_owner[os.getpid()] = _Preloaded(ours, dict(os.environ))
        atexit.register(preloaded.close)
        subprocess.Popen = _ForkingWorkers
        return None
    ours.close()
    os.setpgid(0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    return _serve(theirs)


def _become(request, files):
    """Take over what was asked for; return the module that is to be run."""
    module, arguments, environment, folder, umask = request
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    folders = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    if folder is None:  # a worker
        sys.path[:1] = folders
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, int(environment.get(_ARENAS, "0")))
    else:
        os.chdir(folder)
        os.umask(umask)
        sys.path[:1] = [folder, *folders]
    sys.argv[1:] = arguments
    _show_command(sys.executable, "-m", module, *arguments)
    random.seed()
    return module


def _show_command(*command):
    """Have this process shown with a command of its own, as far as there is room."""
    with open("/proc/self/stat") as stat:  # see proc(5): arg_start, arg_end
        start, end = map(int, stat.read().rpartition(")")[2].split()[45:47])
    shown = b"\0".join(map(os.fsencode, command))[: end - start - 1]
    ctypes.memmove(start, shown.ljust(end - start, b"\0"), end - start)


def _run(request, files):
    """Become what was asked for, until it ends."""
    module = _become(request, files)
    if os.environ.pop(_FORKED_WORKERS, None) and module not in _WITHOUT_WORKERS:
        worker = _serve_workers()
        if worker is not None:
            module = _become(*worker)
    sys.modules.pop(module, None)  # it is to be run, whether it was imported or not
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        if not isinstance(ending.code, int | None):  # a text, which Python prints
            raise
        code = ending.code or 0
    threading._shutdown()  # type: ignore[attr-defined]  # as at the end of any process
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _import_all()
    _run(*_serve(socket.socket(fileno=int(sys.argv[1]))))
