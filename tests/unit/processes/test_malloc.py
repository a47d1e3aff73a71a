"""The C library's allocator does as it was told, each time in a fresh process."""

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="the allocator is not glibc's"
)

HEAPS = """
import ctypes, threading
from imgvecd.processes.malloc import use_one_malloc_arena
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fdopen.restype = ctypes.c_void_p
if {told}:
    use_one_malloc_arena()
gate = threading.Barrier(4)
def work():
    gate.wait()  # all at once, so that each finds the other's heap in use
    for _ in range(2000):
        libc.free(ctypes.c_void_p(libc.malloc(ctypes.c_size_t(1000))))
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
stdout = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, stdout)
libc.fflush(stdout)
"""

FAULTS = """
import resource
from imgvecd.processes.malloc import keep_freed_memory
if {told}:
    keep_freed_memory()
def fill():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(b"x") * (64 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
fill()
print(fill())
"""

HELD = """
import resource
import numpy as np
from imgvecd.processes.malloc import give_back_large_blocks
if {told}:
    give_back_large_blocks()
def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before = held()
first = np.ones(16 << 20, np.uint8)
del first
pairs = [(np.ones(8 << 20, np.uint8), np.ones(64 << 10, np.uint8)) for _ in range(8)]
kept = [small for _, small in pairs]
del pairs
print(held() - before)
"""

FREED = """
import resource
from imgvecd.processes.malloc import give_back_free_memory
def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
before = held()
blocks = [b"x" * 60_000 for _ in range(1000)]
kept = blocks[::50]
del blocks
if {told}:
    give_back_free_memory()
print(held() - before)
"""

MAPPED = """
import contextlib, mmap, os, resource, tempfile, time
from imgvecd.processes.malloc import giving_back_mapped
def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
with tempfile.TemporaryDirectory() as folder, open(folder + "/weights", "w+b") as file:
    file.write(bytes(64 << 20))
    file.flush()
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    before = held()
    with giving_back_mapped(folder) if {told} else contextlib.nullcontext():
        assert not any(mapped[::4096])
        until = time.monotonic() + ({told} and 30)
        while held() - before > 16 << 20 and time.monotonic() < until:
            time.sleep(0.01)
        print(held() - before)
    assert not any(mapped[::4096])
"""


def run(program, *, told):
    program = program.format(told=told)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return done.stdout.decode()


def test_all_threads_share_one_heap():
    assert run(HEAPS, told=False).count("<heap nr=") > 1
    assert run(HEAPS, told=True).count("<heap nr=") == 1


def test_freed_memory_is_used_again():
    assert int(run(FAULTS, told=False)) > 10_000
    assert int(run(FAULTS, told=True)) < 100


def test_large_blocks_are_given_back_though_small_ones_behind_them_are_kept():
    assert int(run(HELD, told=False)) > 48 << 20
    assert int(run(HELD, told=True)) < 16 << 20


def test_pages_of_a_mapped_file_are_given_back_meanwhile():
    assert int(run(MAPPED, told=False)) > 48 << 20
    assert int(run(MAPPED, told=True)) < 16 << 20


def test_what_is_free_between_what_is_used_is_given_back():
    assert int(run(FREED, told=False)) > 40 << 20
    assert int(run(FREED, told=True)) < 8 << 20
