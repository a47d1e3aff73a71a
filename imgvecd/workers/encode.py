"""`python -m imgvecd.workers.encode ARGUMENTS`: the model, in a process of its own."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from imgvecd.core.library.runtime_choice import read_choice
from imgvecd.errors import ModelError, NotBuiltError, NotFetchedError
from imgvecd.processes.framing import Buffer, send
from imgvecd.processes.malloc import (
    give_back_large_blocks,
    giving_back_mapped,
    keep_freed_memory,
)
from imgvecd.processes.worker_messages import (
    Answer,
    EncodeArguments,
    EncodeReady,
    Failed,
    ImagesRequest,
    KeepRequest,
    Kept,
    ModelKnown,
    Request,
    TextsRequest,
    Vectors,
)
from imgvecd.types import ModelInfo
from imgvecd.workers.channel import open_channel, serve
from imgvecd.workers.sandbox import confine_encoder, leave_memory_in_its_node

if TYPE_CHECKING:
    from imgvecd.adapters.imagetower import ImageTower
    from imgvecd.adapters.openclip import OpenClipModel
    from imgvecd.adapters.openclip.comparison import Comparison
    from imgvecd.adapters.texttower import TextTower


# What is loaded to be compared with is not worth another program's memory: torch itself, and the
# whole model, twice for a moment, by the size of its image tower in float16.
_TORCH_BYTES, _MODEL_FACTOR = 1 << 30, 8


def main() -> None:
    """Serve the parent."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    arguments = msgspec.json.decode(sys.argv[1], type=EncodeArguments)
    channel = open_channel(arguments.priority)
    give_back_large_blocks()
    try:
        if arguments.part == "images":
            leave_memory_in_its_node()
        encoding = Encoding(arguments, lambda info: send(channel, ModelKnown(info)))
    except ModelError as error:
        send(channel, _refusal(error))
        return
    keep_freed_memory()
    in_force = confine_encoder(writing=arguments.part not in {"texts", "images"})
    ready = msgspec.structs.replace(encoding.ready(), sandbox=tuple(in_force))
    serve(channel, ready, encoding.answer)


class Encoding:
    """A loaded model that answers requests.

    Args:
        on_known: told what model it is, if that is known long before it is loaded.
    """

    def __init__(
        self, arguments: EncodeArguments, on_known: Callable[[ModelInfo], None] = lambda _: None
    ) -> None:
        self._model = _load(arguments, on_known)

    def ready(self) -> EncodeReady:
        """Return what was loaded."""
        model = self._model
        dtype = str(model.dtype).removeprefix("torch.")
        streams = getattr(model, "streams", 1)  # an image tower alone has more
        return EncodeReady(model.info, str(model.device), dtype, model.runtime, streams)

    def answer(self, request: Request, body: bytearray) -> tuple[Answer, Sequence[Buffer]]:
        """Encode; rows that are no numbers are refused, since they would poison the index.

        What torch raises ends the process: after an error a GPU's state is not to be trusted.
        """
        started = time.perf_counter()
        if isinstance(request, KeepRequest):
            return self._keep(request.directory), ()
        if isinstance(request, ImagesRequest):
            size = self._model.info.preprocess.size
            assert hasattr(self._model, "encode_images")  # noqa: S101  # a text tower gets texts only
            pixels = np.frombuffer(body, np.uint8).reshape(request.count, size, size, 3)
            vectors = self._model.encode_images(pixels)
        else:
            assert isinstance(request, TextsRequest)  # noqa: S101  # what the parent sends
            assert hasattr(self._model, "encode_texts")  # noqa: S101  # nor an image tower
            vectors = self._model.encode_texts(request.texts)
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(bad):
            message = f"the model gives no finite vector for input {bad[0] + 1} of {len(vectors)}"
            return Failed("worker", message), ()
        seconds = time.perf_counter() - started
        return Vectors(len(vectors), seconds), [np.ascontiguousarray(vectors).data.cast("B")]

    def _keep(self, directory: str) -> Answer:
        assert hasattr(self._model, "keep_image_tower")  # noqa: S101  # the whole model has it
        try:
            return Kept(self._model.keep_image_tower(directory))
        except OSError as error:
            return Failed("worker", f"the image tower cannot be kept: {error.strerror}")


def _load(
    arguments: EncodeArguments, on_known: Callable[[ModelInfo], None]
) -> OpenClipModel | TextTower | ImageTower | Comparison:
    # seconds of imports, which are not to delay the channel; and only those that are needed
    if arguments.part == "texts":
        return _text_tower(arguments, on_known)
    if arguments.part == "images":
        with giving_back_mapped(arguments.image_tower):
            return _image_tower(arguments)
    if arguments.part == "comparison":
        return _comparison(arguments)
    from imgvecd.adapters.openclip import OpenClipModel  # noqa: PLC0415

    return OpenClipModel(
        arguments.choice,
        arguments.config,
        arguments.text_tower,
        may_fetch=arguments.may_fetch,
    )


def _text_tower(arguments: EncodeArguments, on_known: Callable[[ModelInfo], None]) -> TextTower:
    if arguments.build and not os.path.exists(arguments.text_tower):
        from imgvecd.adapters.texttower import building  # noqa: PLC0415

        return building.build(arguments.choice, arguments.text_tower, on_known)
    from imgvecd.adapters.texttower import TextTower  # noqa: PLC0415

    return TextTower.read(arguments.text_tower)


def _image_tower(arguments: EncodeArguments) -> ImageTower:
    config = arguments.config
    if arguments.build and read_choice(arguments.image_tower, config) is None:
        from imgvecd.adapters.imagetower import building  # noqa: PLC0415

        return building.build(arguments.choice, config, arguments.image_tower)
    from imgvecd.adapters.imagetower import ImageTower  # noqa: PLC0415

    return ImageTower.read(arguments.image_tower, config.threads)


def _comparison(arguments: EncodeArguments) -> Comparison:
    import psutil  # noqa: PLC0415

    from imgvecd.adapters.imagetower import BINARY  # noqa: PLC0415

    directory = arguments.image_tower
    try:
        wanted = _TORCH_BYTES + _MODEL_FACTOR * os.stat(os.path.join(directory, BINARY)).st_size
    except OSError as error:
        raise ModelError(f"{directory} cannot be read: {error.strerror}") from error
    if psutil.virtual_memory().available < wanted:
        raise ModelError(f"{wanted >> 20} MB of memory are not free")
    from imgvecd.adapters.openclip.comparison import Comparison  # noqa: PLC0415

    return Comparison(arguments.choice, arguments.config, directory)


def _refusal(error: ModelError) -> Failed:
    if isinstance(error, NotFetchedError):
        return Failed("not_fetched", str(error))
    return Failed("not_built" if isinstance(error, NotBuiltError) else "model", str(error))


if __name__ == "__main__":
    main()
