"""A link to another machine that is slow and loses connections: a network namespace and a proxy."""

import contextlib
import itertools
import math
import os
import random
import shutil
import socket
import subprocess
import threading
import time

import pytest

_numbers = itertools.count()


@contextlib.contextmanager
def namespace():
    """Yield (name, address in it): a network that only a pair of virtual interfaces leads to."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root, and `ip`")
    number = next(_numbers)
    name = f"imgvecd-{os.getpid()}-{number}"
    inner, outer = f"iv{os.getpid() % 100000}i{number}", f"iv{os.getpid() % 100000}o{number}"
    net = f"10.213.{os.getpid() % 250 + 1}"
    here, there = f"{net}.{4 * number + 1}", f"{net}.{4 * number + 2}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"network namespaces cannot be made here: {made.stderr.decode().strip()}")
    try:
        for command in (
            f"ip link add {outer} type veth peer name {inner} netns {name}",
            f"ip addr add {here}/30 dev {outer}",
            f"ip link set {outer} up",
            f"ip -n {name} addr add {there}/30 dev {inner}",
            f"ip -n {name} link set {inner} up",
        ):
            subprocess.run(command.split(), check=True, capture_output=True)
        yield name, there
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class SlowLink:
    """Forwards connections to `target`, each piece after a delay; loses some of them.

    Attributes:
        delay_s: of each piece of up to 16 kB, beside what `bytes_per_s` makes of its length.
        loss: of the pieces, which end their connection.
        passing: cleared, nothing goes through, and nothing ends either.
        pieces: how many have gone through.
    """

    def __init__(self, target, *, delay_s=0.0, bytes_per_s=math.inf, loss=0.0):
        self.target = target
        self.delay_s = delay_s
        self.bytes_per_s = bytes_per_s
        self.loss = loss
        self.pieces = 0
        self.passing = threading.Event()
        self.passing.set()
        self._random = random.Random(19)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self.target)
                self._sockets += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(16_384):
                time.sleep(self.delay_s + len(piece) / self.bytes_per_s)
                self.passing.wait()
                if self._random.random() < self.loss:
                    break
                target.sendall(piece)
                self.pieces += 1
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self):
        """End it, and all connections."""
        self.passing.set()
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
