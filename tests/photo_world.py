"""A photo library as people, cameras and kernels leave it, and what a daemon ought to know of it.

Everything here is worked out anew from the disk, with none of the product's code.
"""

import base64
import hashlib
import os
import struct
import subprocess
import zlib

IMAGES = (".jpg", ".png", ".bmp")  # of the names that tests use


def picture(number):
    """Return a PNG of one colour; no two numbers below 2²⁴ have the same pixels.

    Sizes differ, as those of photos do: it takes 9973 numbers for one to come again.
    """

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    colour = number.to_bytes(3, "big")
    rows = (b"\0" + colour * 4) * 4
    header = struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"tEXt", b"Comment\0" + b"-" * (number % 9973))
        + chunk(b"IEND", b"")
    )


def is_whole(path):
    """Return whether the file is one picture to its end, and no mixture of two."""
    with open(path, "rb") as file:
        data = file.read()
    at = 8
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        checksum = data[end - 4 : end]
        if checksum != struct.pack(">I", zlib.crc32(data[at + 4 : end - 4])):
            return False
        if kind == b"IEND":
            return True
        at = end
    return False


class Disk:
    """What lies below one root.

    Attributes:
        files: absolute path → hash of its bytes; None where it may not be read.
        unknown: folders that may not be read, with a slash at the end.
    """

    def __init__(self, root, excluded, *, passed_over=()):
        self.files = {}
        self.unknown = []
        self._root = root
        self._excluded = excluded
        self._passed_over = passed_over
        self._walk(root)

    def _walk(self, folder):
        if not may(os.stat(folder), 5):
            self.unknown.append(folder + "/")
            return
        entries = list(os.scandir(folder))
        if any(entry.name == ".nomedia" for entry in entries):
            return
        for entry in entries:
            relative = os.path.relpath(entry.path, self._root)
            if entry.name.startswith(".") or self._excluded(relative):
                continue
            if entry.is_dir(follow_symlinks=False):
                if entry.path not in self._passed_over:
                    self._walk(entry.path)
            elif entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(IMAGES):
                self.files[entry.path] = _digest(entry.path)


def _digest(path):
    if not may(os.stat(path), 4):
        return None
    with open(path, "rb") as file:
        return hashlib.blake2b(file.read(), digest_size=32).hexdigest()


def may(status, bits):
    """Whether the owner, who has no other privileges, has these rights."""
    return (status.st_mode >> 6) & bits == bits


def known_files(daemon):
    """Return what the daemon says: path → (hash or None if unread, searchable, offline)."""
    known, after = {}, -1
    while after is not None:
        page = daemon.get("/v1/images", after=after, limit=500)
        for image in page["images"]:
            for file in image["files"]:
                found = image.get("indexed", False)
                known[_path(file)] = image["hash"], found, file.get("offline", False)
        after = page.get("next_after")
    for failure in daemon.get("/v1/failures", limit=1000)["failures"]:
        known.setdefault(_path(failure), (None, False, False))
    return known


def _path(answer):
    if "path_base64" in answer:
        return os.fsdecode(base64.b64decode(answer["path_base64"]))
    return answer["path"]


def can_mount(place):
    """Return whether this process may mount at the folder `place`."""
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=False).returncode:
        return False
    subprocess.run(["umount", place], check=True)
    return True


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def unmount(place, *, lazy=False):
    """Unmount; a look in progress may keep the file system busy for a moment."""
    for _ in range(1 if lazy else 500):
        command = ["umount", *(["-l"] if lazy else []), str(place)]
        done = subprocess.run(command, check=False, capture_output=True)
        if done.returncode == 0:
            return
    raise AssertionError(f"{place} stays busy: {done.stderr}")
