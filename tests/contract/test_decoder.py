"""What every `Decoder` promises: the real pool of processes, and the fake that unit tests use."""

import asyncio
import os

import pytest
from fakes import FakeDecoder

from imgvecd.config.schema import DecodeConfig
from imgvecd.errors import UnreadableImageError
from imgvecd.processes.decoder_pool import DecoderPool
from imgvecd.types import PreprocessSpec, Stamp

pytestmark = pytest.mark.started_workers

SPEC = PreprocessSpec(64, (0.5,) * 3, (0.5,) * 3)


@pytest.fixture(params=[lambda: DecoderPool(DecodeConfig(workers=2)), FakeDecoder])
async def decoder(request):
    decoder = request.param()
    yield decoder
    await decoder.close()


@pytest.fixture
def photo(tmp_path):
    """A photo whose name is not UTF-8 and whose extension shouts."""
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9 \xff.JPG")
    with open(os.path.join(os.path.dirname(__file__), "../data/photos/cat.jpg"), "rb") as source:
        data = source.read()
    with open(path, "wb") as target:
        target.write(data)
    return path


async def test_a_file_and_its_bytes_give_the_same(decoder, photo):
    image = await decoder.decode(photo, Stamp.of(os.stat(photo)), SPEC)
    with open(photo, "rb") as file:
        same = await decoder.decode_bytes(file.read(), SPEC)
    assert image == same
    assert image.info.format == "jpeg"


async def test_any_state_will_do_without_a_stamp(decoder, photo):
    assert (await decoder.decode(photo, None, SPEC)).pixels


async def test_another_stamp_means_changed(decoder, photo):
    stamp = Stamp.of(os.stat(photo))
    os.utime(photo, ns=(1, 1))
    with pytest.raises(UnreadableImageError) as caught:
        await decoder.decode(photo, stamp, SPEC)
    assert caught.value.reason == "changed"


async def test_a_bad_file_hurts_only_itself(decoder, photo):
    with open(photo + b".bad.jpg", "wb") as file:
        file.write(b"bad, and no picture")
    results = await asyncio.gather(
        *(decoder.decode(photo + end, None, SPEC) for end in (b"", b".bad.jpg", b"", b"", b"")),
        return_exceptions=True,
    )
    assert [isinstance(result, UnreadableImageError) for result in results] == [
        False,
        True,
        False,
        False,
        False,
    ]


async def test_a_picture_as_it_is_seen_is_no_larger_than_asked(photo):
    pool = DecoderPool(DecodeConfig(workers=1))
    stamp = Stamp.of(os.stat(photo))
    try:
        small = await pool.pixels(photo, stamp, 100)
        whole = await pool.pixels(photo, stamp, 5000)
        info = (await pool.decode(photo, stamp, SPEC)).info
        with pytest.raises(UnreadableImageError):
            await pool.pixels(photo, Stamp(1, 1, 1, 1), 100)
    finally:
        await pool.close()
    assert max(small.width, small.height) == 100
    assert len(small.data) == 3 * small.width * small.height
    assert (whole.width, whole.height) == (info.width, info.height)
