import dataclasses
import hashlib
import json
from pathlib import Path

import pytest
from later import Later, open_clip

from imgvecd.config.schema import ModelConfig
from imgvecd.core.library.model_choice import EMBEDDED, PRESETS, choose_model, plan_models
from imgvecd.errors import ModelError
from imgvecd.types import ModelInfo, PreprocessSpec

checkpoint = Later("imgvecd.adapters.checkpoint")
PAGE = (Path(__file__).parents[4] / "docs" / "models.md").read_text()


def test_auto_is_the_embedded_model_and_says_so():
    auto, named = choose_model("auto"), choose_model(EMBEDDED)
    assert auto.name == EMBEDDED
    assert EMBEDDED in auto.note
    assert not named.note
    assert auto.fingerprint == named.fingerprint
    with open(auto.config_path, encoding="utf-8") as file:
        assert json.load(file)["embed_dim"] > 0


def test_the_well_known_model_needs_no_tag():
    choice = choose_model("ViT-B-32")
    assert choice.pretrained == "laion2b_s34b_b79k"
    assert choice == choose_model(ModelConfig(name="ViT-B-32", pretrained="laion2b_s34b_b79k"))


@pytest.mark.long
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_a_model_by_name_and_tag(preset):
    choice = choose_model(preset)
    assert choice == choose_model(PRESETS[preset])
    assert (choice.name, choice.pretrained) in open_clip.list_pretrained() or preset == "small"
    assert f"`{choice.name}`" in PAGE


def info(choice):
    spec = PreprocessSpec(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    return ModelInfo(choice.fingerprint, choice.name, choice.pretrained, 512, spec)


def test_auto_moves_to_the_fast_one_from_wherever_it_is():
    fast, small = choose_model("fast"), choose_model("small")
    former = choose_model("ViT-B-32")
    assert [choice.name for choice in plan_models("auto", None)] == [EMBEDDED, fast.name]
    assert plan_models("auto", info(small))[1] == fast
    assert plan_models("auto", info(former)) == (former, fast)
    assert plan_models("auto", info(fast)) == (fast, None)
    assert plan_models("best", info(fast)) == (fast, choose_model("best"))


def test_int8_is_another_model_and_a_library_moves_there_and_back():
    exact, small = choose_model("fast"), choose_model("fast", precision="int8")
    assert small == dataclasses.replace(exact, fingerprint=small.fingerprint, int8=True)
    assert small.fingerprint != exact.fingerprint
    for precision in ("auto", "fp32", "bf16", "fp16"):
        assert choose_model("fast", precision=precision) == exact
    for setting in ("fast", "auto"):  # what has answered goes on until the other is complete
        assert plan_models(setting, info(exact), precision="int8") == (exact, small)
        assert plan_models(setting, info(small)) == (small, exact)
        assert plan_models(setting, info(small), precision="int8") == (small, None)
    embedded = choose_model("auto")
    for precision in ("auto", "int8"):
        wanted = choose_model("fast", precision=precision)
        for last in (embedded, choose_model("auto", precision="int8")):
            assert plan_models("auto", info(last), precision=precision) == (last, wanted)
    assert plan_models("auto", None, precision="int8") == (
        choose_model("auto", precision="int8"),
        small,
    )


def test_another_tag_or_name_is_another_model():
    names = [("ViT-B-32", "openai"), ("ViT-B-16", "openai"), ("ViT-B-32", "laion2b_e16")]
    choices = [choose_model(ModelConfig(name=name, pretrained=tag)) for name, tag in names]
    assert len({choice.fingerprint for choice in choices}) == len(names)


def test_a_file_is_named_by_its_content(tmp_path):
    first, copy = tmp_path / "a.safetensors", tmp_path / "b.pt"
    first.write_bytes(b"weights")
    copy.write_bytes(b"weights")

    def fingerprint(path):
        return choose_model(ModelConfig(name="ViT-B-32", pretrained=str(path))).fingerprint

    before = fingerprint(first)
    assert fingerprint(copy) == before
    first.write_bytes(b"others")
    assert fingerprint(first) != before


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"nowhere\.pt cannot be read"):
        choose_model(ModelConfig(name="ViT-B-32", pretrained=str(tmp_path / "nowhere.pt")))


def test_a_model_without_a_checkpoint_is_refused():
    with pytest.raises(ModelError, match=r"model\.pretrained"):
        choose_model("ViT-L-14")


@pytest.mark.long
def test_files_are_given_the_pixels_that_their_architecture_wants(tmp_path):
    """A library that was encoded with CLIP's pixels instead has another fingerprint."""
    weights = tmp_path / "weights.pt"
    weights.write_bytes(b"weights")
    content = hashlib.blake2b(b"weights", digest_size=16).digest()
    of_clip = dataclasses.asdict(open_clip.transform.PreprocessCfg())

    def was_renamed(name):
        former = hashlib.blake2b(name.encode() + b"\0" + content, digest_size=16).hexdigest()
        return choose_model(ModelConfig(name=name, pretrained=str(weights))).fingerprint != former

    wanted = {
        name: checkpoint.published_pixels(name, open_clip) for name in open_clip.list_models()
    }
    own = [
        name
        for name, pixels in wanted.items()
        if any(of_clip[key] != value for key, value in pixels.items())
    ]
    assert {"ViT-B-16-SigLIP2-256", "ViT-H-14-CLIPA", "MobileCLIP-S1", "PE-Core-B-16"} <= set(own)
    assert [name for name in own if not was_renamed(name)] == []
    assert not any(map(was_renamed, ["ViT-B-32", "ViT-B-32-256", "ViT-L-14", "ViT-H-14", "RN50"]))
    assert wanted["ViT-B-16-SigLIP2-256"]["resize_mode"] == "squash"
    assert wanted["ViT-L-14"] == {}  # its checkpoints do not agree
