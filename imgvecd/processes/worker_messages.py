"""The headers of frames: every request to a worker and every answer.

A worker says `Ready` once, then answers requests one at a time, in order.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from imgvecd.config.schema import EncodeConfig
from imgvecd.core.library.model_choice import ModelChoice
from imgvecd.core.library.runtime_choice import RuntimeChoice
from imgvecd.types import CopyFacts, Facts, ImageInfo, ModelInfo, PreprocessSpec, Priority, Stamp

Part: TypeAlias = Literal["whole", "texts", "images", "comparison"]


class EncodeArguments(msgspec.Struct, frozen=True):
    """How an encoder worker is started: on its command line, as JSON.

    Attributes:
        part: of the model: all of it, what `text_tower` or `image_tower` holds, or what the latter
            is compared with.
        text_tower: file that the model's text tower is kept in; or empty.
        image_tower: folder of the image tower, for that part and its comparison alone.
        build: a tower that is not kept is built from the checkpoint, if that can be done.
    """

    choice: ModelChoice
    config: EncodeConfig
    priority: Priority
    part: Part = "whole"
    text_tower: str = ""
    image_tower: str = ""
    may_fetch: bool = True
    build: bool = False


class DecodeArguments(msgspec.Struct, frozen=True):
    """How a decode worker is started: on its command line, as JSON."""

    memory_mb: int
    priority: Priority


class TextArguments(msgspec.Struct, frozen=True):
    """How a worker that reads text is started: on its command line, as JSON."""

    memory_mb: int
    threads: int
    priority: Priority


class DecodeRequest(msgspec.Struct, frozen=True, tag="decode"):
    """Decode the file that comes along, which must be at `stamp`; or, without one, the body."""

    stamp: Stamp | None
    spec: PreprocessSpec
    max_pixels: int


class ThumbnailRequest(msgspec.Struct, frozen=True, tag="thumbnail"):
    """Make a thumbnail of the file that comes along, which must be at `stamp`."""

    stamp: Stamp
    size: int
    max_pixels: int


class PixelsRequest(msgspec.Struct, frozen=True, tag="pixels"):
    """Decode the file that comes along, which must be at `stamp`, as it is seen.

    Attributes:
        longest: pixels of the longer side, at the most.
    """

    stamp: Stamp
    longest: int
    max_pixels: int


class TextRequest(msgspec.Struct, frozen=True, tag="text"):
    """Read the text in the pixels in the body, width × height × 3 bytes."""

    width: int
    height: int


class ExamineRequest(msgspec.Struct, frozen=True, tag="examine"):
    """Tell what the file that comes along, or the body, is as a copy of its picture."""

    stamp: Stamp | None
    max_pixels: int


class SidecarRequest(msgspec.Struct, frozen=True, tag="sidecar"):
    """Read the sidecar that comes along, which must be at `stamp`.

    Attributes:
        form: XMP, or JSON of an export.
    """

    stamp: Stamp
    form: Literal["xmp", "json"] = "xmp"


class ImagesRequest(msgspec.Struct, frozen=True, tag="images"):
    """Encode the images in the body, `count` times size × size × 3 bytes."""

    count: int


class TextsRequest(msgspec.Struct, frozen=True, tag="texts"):
    """Encode these texts."""

    texts: list[str]


class KeepRequest(msgspec.Struct, frozen=True, tag="keep"):
    """Find out which runtime is to encode images, and keep the image tower in `directory`."""

    directory: str


class PictureWorkerReady(msgspec.Struct, frozen=True, tag="picture_worker_ready"):
    """The worker can decode, or read text.

    Attributes:
        sandbox: what keeps it from doing anything else.
    """

    sandbox: tuple[str, ...] = ()


class ModelKnown(msgspec.Struct, frozen=True, tag="model_known"):
    """What model it is that is still being loaded."""

    info: ModelInfo


class EncodeReady(msgspec.Struct, frozen=True, tag="encode_ready"):
    """The model is loaded, and has proved to give finite vectors.

    Attributes:
        device, precision: in torch's names: "cuda:0", "bfloat16".
        runtime: what computes: "torch", "openvino", "numpy".
        streams: that share out a batch of images.
        sandbox: what keeps it from doing anything else.
    """

    info: ModelInfo
    device: str
    precision: str
    runtime: str = "torch"
    streams: int = 1
    sandbox: tuple[str, ...] = ()


class Decoded(msgspec.Struct, frozen=True, tag="decoded"):
    """The pixels are the body."""

    info: ImageInfo


class Examined(msgspec.Struct, frozen=True, tag="examined"):
    """The pixels, side × side × 3 bytes, are the body."""

    info: ImageInfo
    facts: CopyFacts
    side: int


class Thumbnail(msgspec.Struct, frozen=True, tag="thumbnail"):
    """The JPEG is the body."""


class PixelsDecoded(msgspec.Struct, frozen=True, tag="pixels_decoded"):
    """The pixels, width × height × 3 bytes, are the body."""

    width: int
    height: int


class TextRead(msgspec.Struct, frozen=True, tag="text_read"):
    """The lines of text, from the top down."""

    lines: list[str]


class SidecarRead(msgspec.Struct, frozen=True, tag="sidecar_read"):
    """What the file says."""

    facts: Facts


class Vectors(msgspec.Struct, frozen=True, tag="vectors"):
    """The embeddings are the body: `count` rows, float32, native byte order.

    Attributes:
        seconds: spent on computing them.
    """

    count: int
    seconds: float


class Kept(msgspec.Struct, frozen=True, tag="kept"):
    """What was found out."""

    choice: RuntimeChoice


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The request failed; the worker goes on.

    Attributes:
        kind: which error of `imgvecd.errors` it is.
        reason: of an UnreadableImageError.
    """

    kind: Literal["unreadable", "model", "not_fetched", "not_built", "worker"]
    message: str
    reason: str = ""


DecoderRequest: TypeAlias = (
    DecodeRequest | ExamineRequest | ThumbnailRequest | PixelsRequest | SidecarRequest
)
Request: TypeAlias = DecoderRequest | TextRequest | ImagesRequest | TextsRequest | KeepRequest
Answer: TypeAlias = (
    PictureWorkerReady
    | ModelKnown
    | EncodeReady
    | Decoded
    | Examined
    | Thumbnail
    | PixelsDecoded
    | TextRead
    | SidecarRead
    | Vectors
    | Kept
    | Failed
)

request_decoder = msgspec.msgpack.Decoder(Request)
answer_decoder = msgspec.msgpack.Decoder(Answer)
