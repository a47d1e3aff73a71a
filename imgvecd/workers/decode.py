"""`python -m imgvecd.workers.decode ARGUMENTS`: image files to pixels, one at a time.

What is wrong with a file may take this process down, and nothing else.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Literal, get_args

import msgspec

from imgvecd.adapters import export_json, pillow, xmp
from imgvecd.errors import PASSING_ERRNOS, UnreadableImageError
from imgvecd.processes.framing import Buffer
from imgvecd.processes.worker_messages import (
    Answer,
    DecodeArguments,
    Decoded,
    DecodeRequest,
    DecoderRequest,
    Examined,
    ExamineRequest,
    Failed,
    PictureWorkerReady,
    PixelsDecoded,
    PixelsRequest,
    Request,
    SidecarRead,
    SidecarRequest,
    Thumbnail,
    ThumbnailRequest,
)
from imgvecd.types import Facts, Stamp
from imgvecd.workers.channel import open_channel, serve_files
from imgvecd.workers.sandbox import confine_decoder

_SIDECARS = {
    "xmp": (xmp.read, xmp.LARGEST),
    "json": (export_json.read, export_json.LARGEST),
}


def main() -> None:
    """Serve the parent."""
    arguments = msgspec.json.decode(sys.argv[1], type=DecodeArguments)
    channel = open_channel(arguments.priority)
    pillow.preload()
    in_force = confine_decoder(arguments.memory_mb << 20)
    serve_files(channel, PictureWorkerReady(tuple(in_force)), _answer)


def _answer(
    request: Request, body: bytearray, descriptor: int | None
) -> tuple[Answer, Sequence[Buffer]]:
    assert isinstance(request, get_args(DecoderRequest))  # noqa: S101  # what the pool sends
    try:
        with _opened(request, body, descriptor) as file:
            return _done(request, file)
    except UnreadableImageError as error:
        return Failed("unreadable", str(error), error.reason), ()
    except MemoryError:
        return Failed("unreadable", "decoding it takes more than `decode.memory_mb`", "memory"), ()
    except OSError as error:
        expected = request.stamp is not None
        gone = expected and error.errno in PASSING_ERRNOS
        return Failed(
            "unreadable", error.strerror or str(error), "changed" if gone else "unreadable"
        ), ()


def _done(request: DecoderRequest, file: BinaryIO) -> tuple[Answer, Sequence[Buffer]]:
    match request:
        case ThumbnailRequest():
            return Thumbnail(), [pillow.thumbnail(file, request.size, request.max_pixels)]
        case PixelsRequest():
            width, height, pixels = pillow.pixels(file, request.longest, request.max_pixels)
            return PixelsDecoded(width, height), [pixels]
        case ExamineRequest():
            examined = pillow.examine(file, request.max_pixels)
            return Examined(examined.info, examined.facts, examined.side), [examined.pixels]
        case SidecarRequest():
            return SidecarRead(_sidecar(file, request.form)), ()
        case DecodeRequest():
            info, pixels = pillow.decode(file, request.spec, request.max_pixels)
            return Decoded(info), [pixels]


def _sidecar(file: BinaryIO, form: Literal["xmp", "json"]) -> Facts:
    read, largest = _SIDECARS[form]
    data = file.read(largest + 1)
    if len(data) > largest:
        raise UnreadableImageError("too_large", f"a sidecar has {largest:,} bytes at most")
    try:
        return read(data)
    except (ValueError, RecursionError) as error:
        raise UnreadableImageError("damaged", f"the sidecar cannot be read: {error}") from error


@contextlib.contextmanager
def _opened(
    request: DecoderRequest,
    body: bytearray,
    descriptor: int | None,
) -> Iterator[BinaryIO]:
    """Open what is to be decoded, and make sure that a file stayed what it must be meanwhile."""
    if descriptor is None:
        yield io.BytesIO(body)
        return
    with open(descriptor, "rb") as file:
        _require(request.stamp, descriptor)
        try:
            yield file
        finally:  # bytes that changed while they were read explain any failure
            _require(request.stamp, descriptor)


def _require(stamp: Stamp | None, descriptor: int) -> None:
    if stamp is not None and Stamp.of(os.fstat(descriptor)) != stamp:
        raise UnreadableImageError("changed", "the file changed while it was being read")


if __name__ == "__main__":
    main()
