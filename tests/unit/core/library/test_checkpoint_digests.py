"""A checkpoint's digest is believed only for the very file that it was taken from."""

import hashlib
import os
import time

import pytest

from imgvecd.core.library import checkpoint_digests
from imgvecd.core.library.checkpoint_digests import CheckpointDigests
from imgvecd.errors import ModelError
from imgvecd.types import Stamp

AN_HOUR_AGO = time.time_ns() - 3600 * 10**9


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    write(path, b"a")
    # what was just written may be written again within one tick of the clock: not waited for here
    monkeypatch.setattr(checkpoint_digests, "_SETTLED_NS", -1)
    return path


def write(path, byte):
    path.write_bytes(byte * (2 << 20))
    os.utime(path, ns=(AN_HOUR_AGO, AN_HOUR_AGO))


def digest_of(path):
    return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()


@pytest.fixture
def readings(monkeypatch):
    found = []
    plain = checkpoint_digests.digest_checkpoint

    def noted(path):
        found.append(path)
        return plain(path)

    monkeypatch.setattr(checkpoint_digests, "digest_checkpoint", noted)
    return found


def test_it_is_read_once(checkpoint, tmp_path, readings):
    for _ in range(3):
        assert CheckpointDigests(str(tmp_path)).of(str(checkpoint)) == digest_of(checkpoint)
    assert readings == [str(checkpoint)]


def test_who_may_only_read_keeps_nothing(checkpoint, tmp_path, readings):
    state = tmp_path / "state"
    reading = CheckpointDigests(str(state), read_only=True)
    assert reading.of(str(checkpoint)) == digest_of(checkpoint)
    assert not state.exists()
    state.mkdir()
    CheckpointDigests(str(state)).of(str(checkpoint))
    reading.of(str(checkpoint))
    assert len(readings) == 2


def test_what_is_read_ahead_is_not_read_again(checkpoint, tmp_path, readings):
    for _ in range(2):  # and not at all where it is known
        digests = CheckpointDigests(str(tmp_path))
        digests.read_ahead(str(checkpoint))
        assert digests.of(str(checkpoint)) == digest_of(checkpoint)
        assert readings == [str(checkpoint)]


def test_what_was_read_ahead_is_believed_of_the_very_file_alone(checkpoint, tmp_path):
    digests = CheckpointDigests(str(tmp_path))
    other = tmp_path / "other.safetensors"
    write(other, b"b")
    digests.read_ahead(str(checkpoint))
    assert digests.of(str(other)) == digest_of(other)
    write(checkpoint, b"c")
    assert digests.of(str(checkpoint)) == digest_of(checkpoint)


def test_what_cannot_be_read_ahead_is_told_later(tmp_path):
    digests = CheckpointDigests(str(tmp_path))
    for path in (tmp_path / "gone.safetensors", tmp_path):
        digests.read_ahead(str(path))
        with pytest.raises(ModelError, match="cannot be read"):
            digests.of(str(path))


@pytest.mark.parametrize("how", ["written over", "replaced", "of other length"])
def test_what_was_changed_is_read_again(checkpoint, tmp_path, how):
    digests = CheckpointDigests(str(tmp_path))
    before = digests.of(str(checkpoint))
    if how == "replaced":  # with the same size and times
        write(tmp_path / "new", b"b")
        os.replace(tmp_path / "new", checkpoint)
    else:
        write(checkpoint, b"b" if how == "written over" else b"aa")
    assert digests.of(str(checkpoint)) == digest_of(checkpoint) != before


def test_what_was_just_written_is_not_believed(checkpoint, tmp_path, readings, monkeypatch):
    monkeypatch.setattr(checkpoint_digests, "_SETTLED_NS", 3600 * 10**9)
    digests = CheckpointDigests(str(tmp_path))
    for _ in range(2):
        digests.of(str(checkpoint))
    assert len(readings) == 2


def test_what_was_just_written_is_not_believed_after_a_long_reading(
    checkpoint, tmp_path, monkeypatch
):
    """A later write while it is read would not show in its stamp, either."""
    plain = checkpoint_digests.digest_checkpoint

    def read_long(path):
        digest = plain(path)
        monkeypatch.setattr(checkpoint_digests, "_SETTLED_NS", -1)
        write(checkpoint, b"b")
        return digest

    stamp = os.stat(checkpoint)
    monkeypatch.setattr(checkpoint_digests, "_SETTLED_NS", 3600 * 10**9)
    monkeypatch.setattr(checkpoint_digests, "digest_checkpoint", read_long)
    monkeypatch.setattr(checkpoint_digests, "_stamp", lambda _: Stamp.of(stamp))
    digests = CheckpointDigests(str(tmp_path))
    digests.read_ahead(str(checkpoint))
    digests.of(str(checkpoint))
    assert digests.of(str(checkpoint)) == digest_of(checkpoint)


def test_no_changed_bit_gives_another_digest(checkpoint, tmp_path):
    kept = tmp_path / "checkpoints.json"
    right = CheckpointDigests(str(tmp_path)).of(str(checkpoint))
    written = kept.read_bytes()
    for place in range(len(written)):
        kept.write_bytes(written[:place] + bytes([written[place] ^ 1]) + written[place + 1 :])
        assert CheckpointDigests(str(tmp_path)).of(str(checkpoint)) == right, place


def test_only_some_are_remembered(checkpoint, tmp_path):
    kept = tmp_path / "checkpoints.json"
    digests = CheckpointDigests(str(tmp_path))
    for number in range(20):
        path = tmp_path / f"{number}.safetensors"
        write(path, b"%d" % (number % 10))
        digests.of(str(path))
    assert kept.read_bytes().count(b'"stamp"') == checkpoint_digests._MOST_FILES


def test_a_missing_one_is_told(tmp_path):
    digests = CheckpointDigests(str(tmp_path))
    with pytest.raises(ModelError, match=r"gone\.safetensors cannot be read"):
        digests.of(str(tmp_path / "gone.safetensors"))


def test_a_state_directory_that_cannot_be_written_costs_only_time(checkpoint, tmp_path):
    digests = CheckpointDigests(str(tmp_path / "not" / "there"))
    assert digests.of(str(checkpoint)) == digest_of(checkpoint)
