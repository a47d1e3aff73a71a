"""Searches as the owner does, one after the other: `python probe.py SOCKET COUNT`.

Each is another search: what was just asked is known, and would be quicker while nothing changes.
Prints for each how long it took, in seconds, and the status.
"""

import socket
import sys
import time

SOCKET, COUNT = sys.argv[1], int(sys.argv[2])
REQUEST = (
    b"GET /v1/search?text=a%%20dog&limit=5&min_score=-0.%d HTTP/1.1\r\n"
    b"Host: x\r\nConnection: close\r\n\r\n"
)

for _ in range(COUNT):
    began = time.monotonic()
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(SOCKET)  # without a time limit it waits while the kernel's queue is full
            client.settimeout(60)
            client.sendall(REQUEST % time.monotonic_ns())
            while piece := client.recv(65536):
                answer += piece
    except OSError as error:
        answer = f"- {type(error).__name__}".encode()
    print(f"{time.monotonic() - began:.4f}", answer[:20].split(b" ")[1].decode(), flush=True)
    time.sleep(0.02)
