"""What travels between a daemon and an encode server: HTTP with pixels and vectors as bodies.

Requests carry the token as `Authorization: Bearer`, and what is below as headers. Pixels are
`DecodedImage.pixels` one after another; vectors are rows of float32, little-endian.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from imgvecd.types import Lane, ModelInfo

PROTOCOL = 1
"""Version of all this; each side refuses another one."""

MODELS, IMAGES, TEXTS = "/v1/models", "/v1/images", "/v1/texts"
TEXT_TOWER = "/v1/text-tower"
"""The file of a model's text tower, for who answers searches while the server is off."""

PROTOCOL_HEADER = "Imgvecd-Protocol"
MODEL_HEADER = "Imgvecd-Model"  # a fingerprint
COUNT_HEADER = "Imgvecd-Images"
LANE_HEADER = "Imgvecd-Lane"
SECONDS_HEADER = "Imgvecd-Seconds"  # from the last byte of the request to the vectors
BATCH_HEADER = "Imgvecd-Batch"  # images that the encoder likes to have at once
PIXELS_TYPE = VECTORS_TYPE = "application/octet-stream"

MOST_IMAGES = 64
"""Of a request: more gains nothing on a graphics card, and takes memory on both sides."""
MOST_BODY_BYTES = 64 << 20
"""Of a request: 64 images of the largest inputs that models have, 560 pixels."""
MOST_TEXTS = 256
MOST_TEXT_CHARACTERS = 100_000
"""Of all texts of a request together."""
MOST_TOWER_BYTES = 8 << 30
"""Of a text tower: the largest that there are have 2 GB."""
FLOAT_BYTES = 4

LANES = {"bulk": Lane.BULK, "interactive": Lane.INTERACTIVE}


class OfferedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the server.

    Attributes:
        batch: how many images its encoder likes to have at once.
        runs_on: runtime, device and number format; empty until images were encoded.
    """

    info: ModelInfo
    batch: Annotated[int, Meta(ge=1)]
    runs_on: str = ""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """`GET /v1/models`: what the server has.

    Attributes:
        version: of the program.
    """

    protocol: int
    version: str
    models: tuple[OfferedModel, ...]


class TextsToEncode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`POST /v1/texts`."""

    texts: Annotated[list[str], Meta(min_length=1, max_length=MOST_TEXTS)]


class RefusedRequest(msgspec.Struct, frozen=True):
    """An answer that is an error: the fields of `imgvecd.api.Problem` that a program reads."""

    code: str
    detail: str = ""
