"""Ports for servers that are told theirs before they start."""

import itertools
import os
import socket

_LOWEST, _HIGHEST = 20_000, 32_000  # what the kernel gives to connections lies above
_next = itertools.count(_LOWEST + int.from_bytes(os.urandom(2)) % (_HIGHEST - _LOWEST))


def free_port():
    """Return a port of this machine that nothing uses and that this process was not given before.

    Test processes begin at places of their own, and no connection is given such a port: it is
    still free when the server starts.
    """
    while True:
        port = _LOWEST + (next(_next) - _LOWEST) % (_HIGHEST - _LOWEST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
