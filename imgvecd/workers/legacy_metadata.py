"""`python -m imgvecd.workers.legacy_metadata`: `metadata.pkl` on stdin to JSON lines on stdout.

A line is a record as a list, or a text: what is wrong with the file, and the last.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Iterator
from typing import BinaryIO

from imgvecd.core.library.legacy_records import read_records
from imgvecd.errors import BadRequestError
from imgvecd.workers.sandbox import confine_decoder

# One byte of an honest pickle becomes ten or so of objects: numbers in lists, dicts of short texts.
_MEMORY_BYTES, _MEMORY_FACTOR, _MOST_MEMORY_BYTES = 256 << 20, 32, 8 << 30
_PROCESSOR_S, _BYTES_A_SECOND = 60, 1 << 20


def main() -> None:
    """Read, within limits that follow from the file's size."""
    size = os.fstat(0).st_size
    memory = min(_MEMORY_BYTES + _MEMORY_FACTOR * size, _MOST_MEMORY_BYTES)
    seconds = _PROCESSOR_S + size // _BYTES_A_SECOND
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    confine_decoder(memory)
    with open(0, "rb", closefd=False) as file:
        for line in _lines(file, memory):
            sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _lines(file: BinaryIO, memory: int) -> Iterator[str]:
    try:
        yield from map(json.dumps, read_records(file))
    except BadRequestError as error:
        yield json.dumps(str(error))
    except MemoryError:
        yield json.dumps(f"takes more than {memory >> 20} MiB to read: refused")
    except Exception as error:  # noqa: BLE001  # what odd records lead to is anything
        yield json.dumps(f"cannot be read: {error}")


if __name__ == "__main__":
    main()
