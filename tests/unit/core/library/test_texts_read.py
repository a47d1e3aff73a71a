"""Text in pictures is read once for each content, behind all else, and never spoils a picture."""

import asyncio
import os
from dataclasses import replace

import pytest
from engine_rig import Rig
from fakes import MODEL, FakeRecogniser

from imgvecd.api import SearchRequest


class ReadingRig(Rig):
    recogniser: FakeRecogniser


@pytest.fixture
async def rig(tmp_path):
    rig = ReadingRig(tmp_path)
    rig.recogniser = FakeRecogniser()
    use(rig, rig.recogniser)
    rig.make_engine().start()
    yield rig
    await rig.engine.stop()
    rig.catalog.close()


def use(rig, recogniser):
    rig.catalog.texts.use(None if recogniser is None else recogniser.fingerprint)
    rig.parts = replace(rig.parts, texts=rig.catalog.texts, recogniser=recogniser)


async def restart(rig, recogniser):
    await rig.engine.stop()
    rig.parts.decoder.dead = False
    use(rig, recogniser)
    rig.catalog.texts.fill()
    rig.make_engine().start()


async def all_read(rig):
    await rig.settled()
    while rig.catalog.texts.waiting():
        await asyncio.sleep(0.01)


def texts(rig):
    found = rig.catalog.images.page(0, 100)
    return {os.path.basename(image.files[0].path): image.text for image in found}


def named(rig, text):
    found = rig.catalog.images.images(rig.catalog.searching.named(text, 100).tolist())
    return sorted(os.path.basename(image.files[0].path) for image in found.values())


async def test_what_is_written_in_a_picture_finds_it(rig):
    rig.write("a.jpg", "one says RECEIPT\nCafé Müller".encode())
    rig.write("b.jpg", b"two")
    await all_read(rig)
    assert texts(rig) == {"a.jpg": "RECEIPT\nCafé Müller", "b.jpg": ""}
    for query in ("receipt", "cafe muller", '"café müller"'):
        assert named(rig, query) == ["a.jpg"], query
    assert named(rig, '"receipt café"') == []  # lines are no sentence
    hits = (await rig.engine.generation.searcher.search(SearchRequest(text="receipt"))).hits
    assert (hits[0].matched, os.path.basename(hits[0].path)) == ("text", "a.jpg")


async def test_names_come_before_texts_and_go_with_them(rig):
    rig.write("receipt.jpg", b"one says receipt")
    rig.write("IMG 1.jpg", b"two says Hornbach receipt")
    await all_read(rig)
    searcher = rig.engine.generation.searcher
    hits = (await searcher.search(SearchRequest(text="receipt"))).hits
    assert {os.path.basename(hit.path): hit.matched for hit in hits} == {
        "receipt.jpg": "name", "IMG 1.jpg": "text",
    }  # fmt: skip
    assert named(rig, "img hornbach") == ["IMG 1.jpg"]


async def test_a_known_content_is_never_read_again(rig):
    path = rig.write("a.jpg", b"one says hello")
    await all_read(rig)
    rig.write("copy.jpg", b"one says hello")
    await all_read(rig)
    assert len(rig.recogniser.read_pictures) == 1
    assert texts(rig) == {os.path.basename(path): "hello"}  # one image, whatever its files
    again = FakeRecogniser()
    await restart(rig, again)
    rig.write("b.jpg", b"two says bye")
    await all_read(rig)
    assert again.read_pictures == [b"two says bye"]


async def test_another_recogniser_reads_all_anew(rig):
    rig.write("a.jpg", b"one says hello")
    rig.write("b.jpg", b"unreadable")
    await all_read(rig)
    assert texts(rig) == {"a.jpg": "hello", "b.jpg": None}
    better = FakeRecogniser("fake-reader-2")
    await restart(rig, better)
    await all_read(rig)
    assert len(better.read_pictures) == 2
    assert named(rig, "hello") == ["a.jpg"]


async def test_turned_off_it_keeps_what_was_read_and_nothing_waits(rig):
    rig.write("a.jpg", b"one says hello")
    await all_read(rig)
    await restart(rig, None)
    rig.write("b.jpg", b"two says hello")
    await rig.settled()
    assert rig.catalog.texts.waiting() == 0
    assert named(rig, "hello") == ["a.jpg"]
    await restart(rig, FakeRecogniser())
    await all_read(rig)
    assert named(rig, "hello") == ["a.jpg", "b.jpg"]


async def test_failures_are_no_failures_of_the_picture(rig):
    rig.write("a.jpg", b"unreadable")
    rig.write("b.jpg", b"two says hello")
    await all_read(rig)
    (bad,) = [image for image in rig.catalog.images.page(0, 100) if image.text is None]
    assert (bad.failure, bad.indexed, bad.text) == (None, True, None)
    assert rig.catalog.images.counts(MODEL.fingerprint).failed == 0
    await restart(rig, FakeRecogniser())
    await all_read(rig)
    assert rig.parts.recogniser.read_pictures == []  # and is not tried again


async def test_it_comes_behind_encoding(rig):
    rig.encoder.gate.clear()
    rig.write("a.jpg", b"one says hello")
    for _ in range(20):
        await asyncio.sleep(0.01)
    assert rig.recogniser.read_pictures == []
    rig.encoder.gate.set()
    await all_read(rig)
    assert rig.recogniser.read_pictures == [b"one says hello"]


async def test_a_worker_that_does_not_start_is_told_and_tried_again(rig):
    rig.recogniser.dead = True
    rig.write("a.jpg", b"one says hello")
    await rig.settled()
    while rig.engine.text_error is None:
        await asyncio.sleep(0.01)
    assert "text recogniser" in rig.engine.text_error
    assert not rig.engine.error  # all else goes on


async def test_a_forgotten_picture_loses_its_text(rig):
    path = rig.write("a.jpg", b"one says hello")
    await all_read(rig)
    with rig.catalog._database.write() as (connection, _):
        connection.execute("DELETE FROM picture_texts")
    assert named(rig, "hello") == []
    assert os.path.exists(path)
