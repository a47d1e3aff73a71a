"""Disks that fail on demand: an ext4 on a loop file, and errors injected into system calls."""

import contextlib
import fcntl
import os
import shutil
import struct
import subprocess
import time

import pytest

_EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32), linux/ext4.h
_LET_GO_S = 10.0
_NO_LOG_FLUSH = 2  # what lies in the journal's memory is lost too, as at a power cut


class LoopDisk:
    """A small ext4 of our own.

    Attributes:
        place: where it is mounted.
    """

    def __init__(self, image, place, options="defaults", size="64M"):
        self.place = place
        self._image = image
        self._options = options
        if shutil.which("mkfs.ext4") is None:
            pytest.skip("there is no mkfs.ext4 here")
        subprocess.run(["truncate", "-s", size, image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True)
        place.mkdir()
        self._mount()

    def _mount(self):
        command = ["mount", "-o", f"loop,{self._options}", self._image, self.place]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting is not permitted here: {done.stderr.decode().strip()}")

    def cut_power(self):
        """Nothing reaches the disk any more, and what did not reach it yet is lost."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _EXT4_IOC_SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def damage(self):
        """Have the kernel find an error, which makes it stop writing (errors=remount-ro)."""
        device = os.stat(self.place).st_dev
        name = os.path.basename(
            os.readlink(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
        )
        trigger = f"/sys/fs/ext4/{name}/trigger_fs_error"
        try:
            with open(trigger, "w") as file:
                file.write("a test")
        except OSError as error:
            pytest.skip(f"errors of ext4 cannot be triggered here: {error}")

    def mount_again(self):
        """Unmount, replay the journal, mount."""
        self.unmount()
        self._wait_until_let_go()
        self._mount()

    def _wait_until_let_go(self):
        """Return once the kernel has closed the file system; a mount elsewhere prevents it."""
        deadline = time.monotonic() + _LET_GO_S
        command = ["losetup", "--associated", self._image]
        while subprocess.run(command, capture_output=True, check=True).stdout:
            if time.monotonic() > deadline:
                pytest.skip("another mount namespace holds on to the disk")
            time.sleep(0.01)

    def clear(self):
        """Delete everything on it."""
        for path in self.place.iterdir():
            if path.name != "lost+found":
                shutil.rmtree(path)

    def unmount(self):
        if os.path.ismount(self.place):
            subprocess.run(["umount", self.place], check=True)


def rot(path, position, length=1):
    """Change bytes as a disk does: nobody has written, so the file's times stay."""
    status = path.stat()
    with open(path, "r+b") as file:
        file.seek(position)
        damaged = bytes(byte ^ 0x55 for byte in file.read(length))
        file.seek(position)
        file.write(damaged)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@contextlib.contextmanager
def injected(pid, fault):
    """Have system calls of a running process fail, as `strace -e inject=` describes it."""
    if shutil.which("strace") is None:
        pytest.skip("there is no strace here")
    command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={fault}", "-p", str(pid)]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        while _tracer(pid) != strace.pid:
            if strace.poll() is not None:
                pytest.skip(f"strace cannot attach here: {strace.stderr.read().decode()}")
        yield
    finally:
        strace.terminate()
        strace.wait()
        strace.stderr.close()


def _tracer(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("TracerPid"))
