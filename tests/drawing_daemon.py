"""`imgvecd` whose photos need not exist: a thumbnail is drawn from the image's number."""

import io
import sys
import zlib

from PIL import Image

from imgvecd.cli.main import main
from imgvecd.core.library.thumbnails import Thumbnails
from imgvecd.core.threads import INTERACTIVE


async def drawn(_self, source):
    return await INTERACTIVE.run(_draw, source)  # no real one is made by the event loop either


def _draw(source):
    number = zlib.crc32(source.content_files.hash)
    colours = bytes((number >> shift) & 255 for shift in range(0, 24, 1))[:12] * 2
    small = Image.frombytes("RGB", (4, 2), colours[:24])
    picture = io.BytesIO()
    small.resize((source.size, source.size * 3 // 4)).save(picture, "JPEG", quality=70)
    return picture.getvalue()


if __name__ == "__main__":
    Thumbnails.picture = drawn
    sys.exit(main())
