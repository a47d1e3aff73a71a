"""open_clip's tables are read without open_clip and torch, and say what open_clip would."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy

from imgvecd.adapters.checkpoint import Weights, read_architecture
from imgvecd.config.schema import ModelConfig
from imgvecd.core.library.model_choice import choose_model
from imgvecd.errors import NotBuiltError

READ = """
import dataclasses, json, sys
from imgvecd.adapters.checkpoint import read_architecture, read_merges
from imgvecd.config.schema import ModelConfig
from imgvecd.core.library.model_choice import choose_model
found = {}
for name, tag in [("ViT-B-32-256", "datacomp_s34b_b86k"), ("ViT-B-32-quickgelu", "openai")]:
    model = read_architecture(choose_model(ModelConfig(name=name, pretrained=tag)))
    found[name] = [model.checkpoint, model.dim, model.quick_gelu, model.preprocess.size]
assert "torch" not in sys.modules
assert not [name for name in sys.modules if name.startswith("open_clip")]
found["merges"] = len(read_merges().splitlines())
print(json.dumps(found))
"""
REPOSITORIES = {
    "ViT-B-32-256": ("laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K", 256),
    "ViT-B-32-quickgelu": ("timm/vit_base_patch32_clip_224.openai", 224),
}


def run(cache):
    return subprocess.run(
        [sys.executable, "-c", READ],
        env={"HF_HUB_CACHE": str(cache), "HOME": str(cache), "PATH": ""},
        check=False,
        capture_output=True,
        text=True,
    )


def test_a_checkpoint_is_found_in_the_hubs_cache(tmp_path):
    paths = {}
    for name, (repository, _) in REPOSITORIES.items():
        folder = tmp_path / f"models--{repository.replace('/', '--')}"
        paths[name] = folder / "snapshots" / "1a" / "open_clip_model.safetensors"
        paths[name].parent.mkdir(parents=True)
        paths[name].touch()
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("1a")
    answer = run(tmp_path)
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found.pop("merges") == 48894
    for name, (_, size) in REPOSITORIES.items():
        assert found[name] == [str(paths[name]), 512, "quick" in name, size]


def test_one_that_was_not_fetched_is_none(tmp_path):
    assert "no safetensors file of ViT-B-32-256" in run(tmp_path).stderr


def test_a_file_that_is_none_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    for data in (b"", b"no such thing" * 10):
        path.write_bytes(data)
        with pytest.raises(NotBuiltError):
            Weights(str(path))
    with pytest.raises(NotBuiltError):
        Weights(str(tmp_path / "missing"))


def test_weights_are_handed_out_as_they_are_and_none_is_forgotten(tmp_path):
    path = str(tmp_path / "model.safetensors")
    rng = np.random.default_rng(1)
    wide, narrow = rng.normal(size=(3, 4)).astype(np.float32), rng.normal(size=5).astype(np.float16)
    whole, empty = np.arange(3), np.empty((0, 2), np.float32)
    arrays: dict[str, np.ndarray] = {"wide": wide, "narrow": narrow, "whole": whole, "empty": empty}
    safetensors.numpy.save_file(arrays, path, {"said": "of no account"})
    weights = Weights(path)
    np.testing.assert_array_equal(weights.take("wide", 3, -1), wide)
    np.testing.assert_array_equal(weights.take("narrow", 5), narrow)
    assert weights.take("empty", 0, 2).shape == (0, 2)
    assert weights.taken_bytes == 4 * (wide.size + narrow.size)
    for name, shape in [("wide", (4, 3)), ("wide", (12,)), ("whole", (3,)), ("missing", (1,))]:
        with pytest.raises(NotBuiltError, match=name):
            weights.take(name, *shape)
    with pytest.raises(NotBuiltError, match="whole"):
        weights.require_all_taken("w")
    os.truncate(path, os.path.getsize(path) - 60)  # while it is read
    with pytest.raises(NotBuiltError, match="cannot be read"):
        [weights.take(name, *array.shape) for name, array in arrays.items() if name != "whole"]


@pytest.mark.parametrize(
    ("name", "mean", "interpolation", "resize_mode"),
    [
        ("ViT-B-32", 0.48145466, "bicubic", "shortest"),
        ("ViT-L-14", 0.48145466, "bicubic", "shortest"),  # its checkpoints do not agree
        ("ViT-H-14-378", 0.48145466, "bicubic", "squash"),
        ("ViT-H-14-CLIPA", 0.485, "bilinear", "squash"),
    ],
)
def test_a_file_gets_the_pixels_of_its_architecture(
    tmp_path, name, mean, interpolation, resize_mode
):
    path = tmp_path / "model.safetensors"
    path.touch()
    model = read_architecture(choose_model(ModelConfig(name=name, pretrained=str(path))))
    spec = model.preprocess
    assert (spec.mean[0], spec.interpolation, spec.resize_mode) == (
        mean,
        interpolation,
        resize_mode,
    )
