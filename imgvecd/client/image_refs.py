"""Which stored image a word on the command line means: an id, or a file that bears the image."""

from __future__ import annotations

import argparse
import os
import urllib.parse

import msgspec

from imgvecd import api
from imgvecd.client.http_connection import DaemonConnection, read
from imgvecd.errors import NotFoundError

WORD = "ID|FILE"


def add_image(command: argparse.ArgumentParser) -> None:
    """Add the argument that names an image."""
    command.add_argument("id", metavar=WORD, help="an id, as tables give it, or an image file")


def image_id(daemon: DaemonConnection, word: str) -> int:
    """Return the id that `word` is, or the id of the image that the file bears.

    Raises:
        NotFoundError: no image of the library lies there.
    """
    if word.isascii() and word.isdecimal():
        return int(word)
    # as it was named first: a watched folder may itself be reached by a link
    for path in dict.fromkeys((os.path.abspath(word), os.path.realpath(word))):
        named = api.Path.of(os.fsencode(path))
        filters = api.Filters(path=named.path, path_base64=named.path_base64)
        query = urllib.parse.urlencode({"limit": 1, "filters": msgspec.json.encode(filters)})
        images = read(daemon.get(f"/v1/images?{query}"), api.ImageList).images
        if images:
            return images[0].id
    raise NotFoundError(
        f"{word} is not an image of the library: name an id, or a file that is in it"
    )
