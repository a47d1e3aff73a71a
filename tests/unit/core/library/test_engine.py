import asyncio
import os
import threading
from dataclasses import replace

import numpy as np
import pytest
from engine_rig import DictIndex, Rig
from fakes import MODEL, FakeDecoder, FakeEncoder, vector_of
from running import DEADLINE_S, eventually

from imgvecd.api import Filters, SearchRequest, Term
from imgvecd.core.files.hashing import hash_file
from imgvecd.core.indexing import abandonable_reads
from imgvecd.core.library.engine import ModelSource
from imgvecd.core.library.target_model import DownloadTerms
from imgvecd.core.timing import retrying
from imgvecd.errors import (
    BadRequestError,
    CatalogError,
    ModelError,
    NotFoundError,
    UnreadableImageError,
)
from imgvecd.types import (
    DecodedImage,
    FileChanges,
    FileMove,
    ImageInfo,
    Stamp,
)


def hit_ids(response):
    return [hit.id for hit in response.hits]


@pytest.fixture
async def rig(tmp_path, monkeypatch):
    rig = Rig(tmp_path)
    rig.make_engine().start()
    await asyncio.wait_for(rig.engine.idle(), DEADLINE_S)
    yield rig
    await rig.engine.stop()
    rig.catalog.close()


async def test_files_become_searchable(rig):
    for i in range(30):
        rig.write(f"{i}.jpg", b"picture %d" % i)
    await rig.settled()
    assert rig.counts().indexed == 30
    assert (await rig.paths_for(text="picture 7", limit=1)) == ["7.jpg"]
    assert sum(rig.encoder.batches) == 30
    assert max(rig.encoder.batches) <= 4
    assert rig.decoder.most_at_once <= 3


async def test_the_same_bytes_are_decoded_and_encoded_once(rig):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        rig.write(name, b"same")
    await rig.settled()
    assert rig.encoder.batches == [1]
    response = await rig.engine.generation.searcher.search(SearchRequest(text="same"))
    (hit,) = response.hits
    assert len(hit.other_paths) == 2
    assert hit.score == pytest.approx(1, abs=1e-3)


async def test_a_changed_file_replaces_what_it_was(rig):
    rig.write("a.jpg", b"old")
    await rig.settled()
    rig.write("a.jpg", b"newer")
    await rig.settled()
    response = await rig.engine.generation.searcher.search(SearchRequest(text="newer"))
    assert [round(hit.score, 2) for hit in response.hits] == [1.0]


async def test_an_edit_of_the_metadata_in_a_file_costs_no_encode(rig):
    rig.write("a.jpg", b"picture|rating 1")
    rig.write("b.jpg", b"another picture")
    await rig.settled()
    (old,) = hit_ids(await rig.search(text="picture", limit=1))
    rig.catalog.user_metadata.replace({old: {"tags": ["family"], "note": "ours"}})
    decoded, encoded = len(rig.decoder.decoded), sum(rig.encoder.batches)
    rig.write("a.jpg", b"picture|rating 5")
    await rig.settled()
    assert len(rig.decoder.decoded) == decoded + 1  # what the file says is read anew
    assert sum(rig.encoder.batches) == encoded
    assert rig.engine.generation.embedder.rate.total == encoded
    (hit,) = (await rig.search(text="picture", limit=1)).hits
    assert hit.id != old
    assert hit.score == pytest.approx(1, abs=1e-3)
    assert len(rig.index) == 2
    assert rig.catalog.images.images([hit.id])[hit.id].user_metadata == {
        "tags": ["family"],
        "note": "ours",
    }
    assert rig.catalog.searching.matching(Filters(tags=("family",))).tolist() == [hit.id]


async def test_what_an_older_reader_has_read_is_read_again_and_costs_no_encode(rig):
    for number in range(40):
        rig.write(f"{number}.jpg", b"picture %d" % number)
    rig.write("broken.jpg", b"bad at first")
    rig.write("a.jpg.xmp", b"keyword")
    rig.write("away.jpg", b"picture 99")
    await rig.settled()
    encoded = sum(rig.encoder.batches)
    await rig.engine.stop()
    with rig.catalog._database.write() as (connection, _):
        connection.execute("UPDATE meta SET value = 1 WHERE key = 'reader'")

    class NewReader(FakeDecoder):
        async def decode_bytes(self, data, spec):
            info = ImageInfo("jpeg", 4, 4, "1950", metadata={"title": "new"})
            return DecodedImage(info, data.partition(b"|")[0])

        async def read_sidecar(self, path, stamp):
            return {"keywords": ["new"]}

    rig.parts = replace(rig.parts, decoder=NewReader())
    rig.parts.decoder.bad_sectors.add(os.path.join(rig.folder, b"away.jpg"))
    rig.make_engine().start()
    while rig.engine.rereading != 1:
        await asyncio.sleep(0.01)
    assert rig.parts.decoder.most_at_once == 1
    assert sum(rig.encoder.batches) == encoded + 1  # what could not be read at all
    found = rig.catalog.images.page(0, 100)
    images = {os.path.basename(image.files[0].path): image for image in found}
    new = {name for name, image in images.items() if image.metadata.get("title") == "new"}
    assert new == images.keys() - {"away.jpg"}
    assert {image.taken_at for name, image in images.items() if name in new} == {"1950"}

    rig.parts.decoder.bad_sectors.clear()  # the drive is back
    await rig.settled()
    while rig.engine.rereading:
        await asyncio.sleep(0.01)
    with rig.catalog._database.read() as connection:
        assert connection.execute("SELECT facts FROM sidecars").fetchone() == (
            '{"keywords": ["new"]}',
        )
    assert rig.catalog.rereading.fill() == 0


async def test_what_the_user_says_follows_an_edited_picture_but_no_other(rig):
    rig.write("a.jpg", b"picture")
    rig.write("b.jpg", b"known picture")
    await rig.settled()
    (a,) = hit_ids(await rig.search(text="picture", limit=1))
    (b,) = hit_ids(await rig.search(text="known picture", limit=1))
    rig.catalog.user_metadata.tag([a], ["ours"])
    rig.write("a.jpg", b"picture, cropped")
    await rig.settled()
    (edited,) = hit_ids(await rig.search(text="picture, cropped", limit=1))
    rig.write("a.jpg", b"known picture")  # overwritten by a copy of the other one
    await rig.settled()
    said = rig.catalog.images.images([b])[b].user_metadata
    assert said == {}
    rig.write("a.jpg", b"picture, cropped")
    await rig.settled()
    images = rig.catalog.images.images([edited])
    assert images[edited].user_metadata == {"tags": ["ours"]}


async def test_a_bad_image_hurts_only_itself(rig):
    rig.write("bad.jpg", b"bad picture")
    rig.write("good.jpg", b"good picture")
    await rig.settled()
    assert (rig.counts().indexed, rig.counts().failed, rig.counts().pending) == (1, 1, 0)


async def test_the_image_that_kills_the_encoder_is_found_and_blamed(rig):
    rig.decoder.gate.clear()
    for i in range(4):
        rig.write(f"{i}.jpg", b"poison" if i == 2 else b"picture %d" % i)
    rig.engine.wake()
    rig.decoder.gate.set()
    await rig.settled()
    assert (rig.counts().indexed, rig.counts().failed) == (3, 1)
    assert rig.encoder.deaths >= 2


async def test_a_file_that_vanished_is_stale_not_failed(rig):
    path = rig.write("a.jpg", b"picture")
    os.unlink(path)
    await rig.settled()
    assert rig.stale
    assert rig.counts().failed == 0
    assert rig.counts().pending == 1


async def test_a_file_that_moves_while_it_is_decoded_is_encoded_at_its_new_place(rig):
    path = rig.write("a.jpg", b"picture")
    rig.decoder.gate.clear()
    rig.engine.wake()
    await eventually(lambda: rig.decoder.at_once)
    (row,) = rig.catalog.files.iter_files(rig.roots[0].id, b"", recursive=False)
    moved = os.path.join(os.path.dirname(path), "b.jpg")
    os.rename(path, moved)
    move = FileMove(row.id, row.root_id, b"", b"b.jpg", Stamp.of(os.stat(moved)))
    rig.catalog.files.apply(FileChanges(moved=(move,)))
    rig.engine.wake()  # the last one: what decodes under the old name fails after it
    rig.decoder.gate.set()
    await asyncio.wait_for(rig.engine.idle(), DEADLINE_S)
    assert (rig.counts().indexed, rig.counts().pending) == (1, 0)


async def test_an_unreadable_file_is_a_failure_with_a_reason(rig, monkeypatch):
    def refuse(*_arguments, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("imgvecd.core.indexing.abandonable_reads.hash_file", refuse)
    rig.write("a.jpg", b"picture")
    await rig.settled()
    assert (rig.counts().failed, rig.counts().pending) == (1, 0)


@pytest.mark.parametrize(("times", "indexed"), [(1, 6), (2, 6), (3, 5)])
async def test_what_takes_too_long_is_tried_twice_more_alone(rig, monkeypatch, times, indexed):
    decode, tried = rig.decoder.decode, []

    async def late(path, stamp, spec):
        if not path.endswith(b"late.jpg"):
            return await decode(path, stamp, spec)
        tried.append(rig.decoder.at_once)
        if len(tried) <= times:
            raise UnreadableImageError("timeout", "it takes over 30 s of processor time")
        return await decode(path, stamp, spec)

    monkeypatch.setattr(rig.decoder, "decode", late)
    for name in ("late.jpg", *(f"{i}.jpg" for i in range(5))):
        rig.write(name, name.encode())
    await rig.settled()
    assert (rig.counts().indexed, rig.counts().failed) == (indexed, 6 - indexed)
    assert len(tried) == min(times, 2) + 1
    assert tried[1:] == [0] * (len(tried) - 1)


async def test_a_drive_that_does_not_answer_keeps_only_its_own_files_waiting(rig, monkeypatch):
    """A network drive that went away: reads hang, until it is back after all."""
    answer = threading.Event()

    def hash_or_hang(path, stamp, beat, **opening):
        beat()
        if b"hang" in path:
            answer.wait(DEADLINE_S)
        return hash_file(path, stamp, beat, **opening)

    monkeypatch.setattr(abandonable_reads, "hash_file", hash_or_hang)
    monkeypatch.setattr(abandonable_reads, "STALL_S", 0.2)
    for i in range(20):
        rig.write(f"{i}.jpg", b"picture %d" % i)
    rig.write("hang.jpg", b"hanging")
    await rig.indexed(20)  # one that was slow is passed over for a while, as one that hangs
    assert (rig.counts().indexed, rig.counts().pending, rig.counts().failed) == (20, 1, 0)
    assert "hang.jpg: its drive does not answer" in rig.engine.error
    for i in range(20, 25):  # which is tried no more meanwhile
        rig.write(f"{i}.jpg", b"picture %d" % i)
        await rig.settled()
    await rig.indexed(25)
    async with asyncio.timeout(DEADLINE_S):  # others were slow at the most, and end
        while [thread.name for thread in threading.enumerate()].count("read") > 1:
            await asyncio.sleep(0.01)
    answer.set()
    while rig.counts().pending:
        await asyncio.sleep(0.01)
        await asyncio.wait_for(rig.engine.idle(), DEADLINE_S)
    assert rig.counts().indexed == 26
    assert rig.engine.error is None


async def test_a_file_that_cannot_be_read_when_it_is_decoded_is_a_failure_of_the_file(rig):
    """As on a disk that fails: its bytes are not to blame, and a copy of it is encoded."""
    rig.decoder.bad_sectors.add(os.fsencode(rig.write("a.jpg", b"picture")))
    rig.write("copy.jpg", b"picture")
    await rig.settled()
    await asyncio.wait_for(rig.engine.idle(), DEADLINE_S)
    _, (failure,) = rig.catalog.failures.page(-1, 10)
    assert (os.path.basename(failure.path), failure.reason) == ("a.jpg", "unreadable")
    assert (rig.counts().indexed, rig.counts().failed, rig.counts().pending) == (1, 1, 0)


async def test_terms_combine_and_bad_ones_are_refused(rig):
    for name in ("one", "two", "three"):
        rig.write(name + ".jpg", name.encode())
    await rig.settled()
    terms = (Term(text="one"), Term(text="two", weight=-1))
    names = await rig.paths_for(terms=terms)
    assert (names[0], names[-1]) == ("one.jpg", "two.jpg")
    stored = (
        (await rig.engine.generation.searcher.search(SearchRequest(text="one", limit=1))).hits[0].id
    )
    assert (await rig.paths_for(image=Term(id=stored), limit=1)) == ["one.jpg"]
    assert (await rig.paths_for(image=Term(data=b"two"), limit=1)) == ["two.jpg"]
    path = os.fsdecode(os.path.join(rig.folder, b"three.jpg"))
    assert (await rig.paths_for(image=Term(path=path), limit=1)) == ["three.jpg"]
    for request, error in [
        (SearchRequest(text="  "), BadRequestError),
        (SearchRequest(terms=(Term(text="x"), Term(text="x", weight=-1))), BadRequestError),
        (SearchRequest(image=Term(id=10**6)), NotFoundError),
        (SearchRequest(image=Term(data=b"bad")), UnreadableImageError),
    ]:
        with pytest.raises(error):
            await rig.engine.generation.searcher.search(request)


async def test_min_score_cuts_off(rig):
    rig.write("a.jpg", b"picture")
    await rig.settled()
    assert await rig.paths_for(text="picture", min_score=0.9) == ["a.jpg"]
    assert await rig.paths_for(text="something else", min_score=0.999) == []


async def test_changes_are_checkpointed_and_a_restart_encodes_nothing(rig):
    rig.write("a.jpg", b"picture")
    await rig.settled()
    while not rig.index.checkpoints:
        await asyncio.sleep(0.005)
    await rig.engine.stop()
    assert rig.encoder.closed
    rig.encoder.batches.clear()
    rig.make_engine().start()
    await asyncio.wait_for(rig.engine.idle(), DEADLINE_S)
    assert await rig.paths_for(text="picture") == ["a.jpg"]
    assert rig.encoder.batches == []


async def test_a_full_disk_is_reported_and_overcome(rig, monkeypatch):
    commit = rig.catalog.work.commit_embeddings
    full = True

    def commit_or_fail(*args):
        if full:
            raise CatalogError("database or disk is full")
        return commit(*args)

    monkeypatch.setattr(rig.catalog.work, "commit_embeddings", commit_or_fail)
    monkeypatch.setattr(
        rig.engine.generation.embedder, "_commits", retrying.Retrying(CatalogError, first_s=0.01)
    )
    rig.write("a.jpg", b"picture")
    rig.engine.wake()
    while rig.engine.error is None:
        await asyncio.sleep(0.005)
    assert "disk is full" in rig.engine.error
    assert await rig.paths_for(text="picture") == []
    full = False
    await rig.settled()
    assert rig.engine.error is None
    assert await rig.paths_for(text="picture") == ["a.jpg"]
    assert rig.encoder.batches == [1]


async def test_a_model_that_cannot_be_loaded_is_told_and_tried_again(tmp_path):
    rig = Rig(tmp_path)
    rig.encoder.broken = True
    engine = rig.make_engine()
    engine._learning = retrying.Retrying(ModelError, first_s=0.01)
    engine.start()
    while engine.error is None:
        await asyncio.sleep(0.005)
    assert engine.generation is None
    rig.encoder.broken = False
    await asyncio.wait_for(engine.idle(), DEADLINE_S)
    assert engine.generation is not None
    await engine.stop()
    rig.catalog.close()


TARGET = replace(MODEL, fingerprint="fake-2", name="better")


@pytest.fixture
async def moving(tmp_path):
    """Ten pictures that the first model knows; the second is about to encode the first of them."""
    rig = Rig(tmp_path)
    rig.target = FakeEncoder(TARGET)
    rig.target.gate.clear()

    def open_index(model):
        return rig.index if model == MODEL else DictIndex(rig.catalog.embeddings, model.fingerprint)

    rig.parts = replace(
        rig.parts, target=ModelSource(TARGET.fingerprint, rig.target), open_index=open_index
    )
    for i in range(10):
        rig.write(f"{i}.jpg", b"picture %d" % i)
    engine = rig.make_engine()
    engine.start()
    async with asyncio.timeout(DEADLINE_S):
        while engine.upcoming is None:
            await asyncio.sleep(0.005)
    yield rig
    await rig.engine.stop()
    rig.catalog.close()


async def test_a_move_can_be_stopped_and_goes_on_where_it_was(moving):
    engine = moving.engine
    moving.target.pauses_after = 1
    moving.target.gate.set()
    await eventually(lambda: moving.target.batches)
    await engine.stop_move()
    assert engine.upcoming is None
    assert engine.move_stopped
    assert [model.name for model in moving.catalog.models.active()] == ["fake"]
    moving.write("new.jpg", b"new picture")
    await moving.settled()
    assert await moving.paths_for(text="new picture", limit=1) == ["new.jpg"]
    before = sum(moving.target.batches)

    moving.target.gate.set()
    await engine.resume_move()
    await eventually(lambda: engine.generation.model == TARGET)
    assert sum(moving.target.batches) == 11
    assert before < 11
    assert await moving.paths_for(text="new picture", limit=1) == ["new.jpg"]
    for change in (engine.stop_move, engine.resume_move):
        with pytest.raises(NotFoundError):
            await change()


async def test_a_stopped_move_stays_stopped_after_a_restart(moving):
    await moving.engine.stop_move()
    await moving.engine.stop()
    moving.decoder.dead = False
    moving.make_engine().start()
    await asyncio.wait_for(moving.engine.idle(), DEADLINE_S)
    await eventually(lambda: moving.engine.move_stopped)
    assert moving.engine.generation.model == MODEL
    assert moving.target.batches == []
    moving.target.gate.set()
    await moving.engine.resume_move()
    await eventually(lambda: moving.engine.generation.model == TARGET)


class Hub:
    """What the model to move to is fetched from, and whether it has been."""

    def __init__(self, **states):
        self.maybe_kept, self.away = False, False
        vars(self).update(states)

    def terms(self, consent):
        return DownloadTerms(consent, 600, maybe_kept=lambda: self.maybe_kept, reach=self.reach)

    def reach(self):
        if self.away:
            raise ModelError("no network. Connect.")


@pytest.fixture
async def offered(tmp_path):
    """Start an engine that may move to a model that is to be fetched."""
    rig = Rig(tmp_path)

    async def start(consent, hub, *, kept=False):
        rig.target = FakeEncoder(TARGET)
        rig.target.kept = kept

        def open_index(model):
            return DictIndex(rig.catalog.embeddings, model.fingerprint)

        rig.parts = replace(
            rig.parts,
            target=ModelSource(TARGET.fingerprint, rig.target),
            open_index=open_index,
            download=hub.terms(consent),
        )
        rig.decoder.dead = False
        if not os.listdir(rig.folder):
            rig.write("a.jpg", b"picture")
        rig.make_engine().start()
        return rig.engine

    yield start
    await rig.engine.stop()
    rig.catalog.close()


@pytest.mark.parametrize("maybe_kept", [False, True])
async def test_a_download_waits_for_a_yes_which_is_remembered(offered, maybe_kept):
    engine = await offered("asked", Hub(maybe_kept=maybe_kept))
    await eventually(lambda: engine.move_to_fetch_mb == 600)
    assert engine.moving_error is None
    await engine.idle()
    assert engine.generation.model == MODEL
    await engine.stop()
    again = await offered("asked", Hub(maybe_kept=maybe_kept))
    await eventually(lambda: again.move_to_fetch_mb == 600)
    await again.resume_move()
    await eventually(lambda: again.generation.model == TARGET)
    assert again.move_to_fetch_mb == 0


async def test_a_yes_lasts_beyond_a_restart_and_a_no_takes_it_back(offered):
    hub = Hub(away=True)
    engine = await offered("asked", hub)
    await eventually(lambda: engine.moving_error)
    await engine.resume_move()
    await engine.stop()
    hub.away = False
    again = await offered("asked", hub)
    await eventually(lambda: again.generation and again.generation.model == TARGET)
    await again.stop()


async def test_a_no_is_remembered_as_well(offered):
    engine = await offered("asked", Hub())
    await eventually(lambda: engine.move_to_fetch_mb)
    await engine.stop_move()
    assert engine.move_to_fetch_mb == 0
    await engine.stop()
    again = await offered("asked", Hub())
    await eventually(lambda: again.move_stopped)
    assert again.move_to_fetch_mb == 0


async def test_nobody_is_asked_for_what_is_here(offered):
    engine = await offered("asked", Hub(maybe_kept=True), kept=True)
    await eventually(lambda: engine.generation and engine.generation.model == TARGET)


async def test_nobody_is_asked_for_what_cannot_be_fetched_now(offered):
    """It is told with the time of the next try; a yes given ahead has it tried at once."""
    hub = Hub(away=True)
    engine = await offered("asked", hub)
    await eventually(lambda: engine.move_next_try_at)
    assert engine.moving_error == "no network. Connect."
    assert engine.move_to_fetch_mb == 0
    hub.away = False
    await engine.resume_move()
    await eventually(lambda: engine.generation.model == TARGET)
    assert engine.moving_error is None


async def test_what_the_configuration_refuses_is_never_fetched(offered):
    engine = await offered("refused", Hub())
    await eventually(lambda: engine.moving_error)
    assert "model_download: never" in engine.moving_error
    await engine.resume_move()
    await engine.idle()
    await asyncio.sleep(0)
    assert engine.generation.model == MODEL
    assert not engine.move_to_fetch_mb
    assert engine.moving_error


async def test_but_what_is_here_is_used(offered):
    engine = await offered("refused", Hub(maybe_kept=True), kept=True)
    await eventually(lambda: engine.generation and engine.generation.model == TARGET)


async def test_without_a_move_there_is_none_to_stop(rig):
    for change in (rig.engine.stop_move, rig.engine.resume_move):
        with pytest.raises(NotFoundError):
            await change()


async def test_files_of_an_offline_root_wait(rig):
    rig.write("a.jpg", b"picture")
    rig.catalog.files.update_root(replace(rig.roots[0], offline_since_ns=1, offline_reason="gone"))
    await rig.settled()
    assert rig.counts().pending == 1
    assert rig.decoder.decoded == []
    rig.catalog.files.update_root(rig.roots[0])
    await rig.settled()
    assert rig.counts().indexed == 1


async def test_a_backlog_does_not_run_ahead_of_decoding(rig):
    rig.decoder.gate.clear()
    for i in range(200):
        rig.write(f"{i}.jpg", b"picture %d" % i)
    rig.engine.wake()
    await asyncio.sleep(0)
    while not rig.decoder.at_once:
        await asyncio.sleep(0.005)
    linked = 200 - len(rig.catalog.work.pending_files(1000))
    assert linked < 200
    rig.decoder.gate.set()
    await rig.settled()
    assert rig.counts().indexed == 200


async def test_a_pause_keeps_everything_from_being_read_decoded_and_encoded(rig, monkeypatch):
    gate = rig.parts.gate
    read = []
    monkeypatch.setattr(
        "imgvecd.core.indexing.abandonable_reads.hash_file", lambda *args, **_: read.append(args)
    )
    await gate.pause(None)
    rig.write("a.jpg", b"picture")
    rig.engine.wake()
    async with asyncio.timeout(DEADLINE_S):
        await gate.holds_up()
    assert rig.engine.busy
    assert (read, rig.decoder.decoded) == ([], [])
    monkeypatch.undo()
    await gate.resume(force=False)
    await rig.settled()
    assert rig.counts().indexed == 1


async def test_a_pause_in_the_middle_leaves_no_batch_behind(rig):
    rig.decoder.gate.clear()
    for i in range(20):
        rig.write(f"{i}.jpg", b"picture %d" % i)
    rig.engine.wake()
    while not rig.decoder.at_once:
        await asyncio.sleep(0.005)
    await rig.parts.gate.pause(None)
    rig.decoder.gate.set()
    async with asyncio.timeout(DEADLINE_S):
        await rig.parts.gate.holds_up()
        while rig.decoder.at_once:
            await asyncio.sleep(0.005)
    assert rig.encoder.batches == []
    assert len(rig.decoder.decoded) <= 3  # those under way end
    await rig.parts.gate.resume(force=False)
    await rig.settled()
    assert rig.counts().indexed == 20
    assert sum(rig.encoder.batches) == 20


async def test_with_nothing_to_do_a_paused_engine_is_idle(rig):
    await rig.parts.gate.pause(None)
    await rig.settled()


def test_vector_of_is_a_unit_vector():
    assert np.linalg.norm(vector_of(b"x")) == pytest.approx(1)
