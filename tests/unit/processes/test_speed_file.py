import os

import pytest

from imgvecd.processes.speed_file import SpeedFile
from imgvecd.types import EncoderSpeed


def test_a_speed_is_found_again_on_the_same_device(tmp_path):
    path = str(tmp_path / "speed" / "f.json")
    cpu, gpu = EncoderSpeed("cpu, float32", 8, 0.1), EncoderSpeed("cuda, float16", 256, 0.001)
    SpeedFile(path).write(cpu)
    SpeedFile(path).write(gpu)
    assert SpeedFile(path).read("cpu, float32") == cpu
    assert SpeedFile(path).read("cuda, float16") == gpu
    assert SpeedFile(path).read("mps, float16") is None


def test_a_file_that_grows_is_cut(tmp_path):
    file = SpeedFile(str(tmp_path / "f.json"))
    for number in range(100):
        file.write(EncoderSpeed(f"cuda:{number}", 8, 0.1))
    assert file.read("cuda:99")
    assert file.read("cuda:0") is None
    assert os.path.getsize(tmp_path / "f.json") < 1000


@pytest.mark.parametrize(
    "damage", [b"", b"\0\xff", b"[]", b'{"cpu": {"images": 0, "seconds_each": 1}}', b'{"cpu": 1}']
)
def test_a_damaged_file_is_as_good_as_none(tmp_path, damage):
    (tmp_path / "f.json").write_bytes(damage)
    file = SpeedFile(str(tmp_path / "f.json"))
    assert file.read("cpu") is None
    file.write(EncoderSpeed("cpu", 8, 0.1))
    assert file.read("cpu")


def test_a_folder_that_cannot_be_written_costs_nothing_else(tmp_path):
    (tmp_path / "file").touch()
    SpeedFile(str(tmp_path / "file" / "f.json")).write(EncoderSpeed("cpu", 8, 0.1))
    SpeedFile("").write(EncoderSpeed("cpu", 8, 0.1))
    assert SpeedFile("").read("cpu") is None
