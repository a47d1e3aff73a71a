"""The text tower alone gives what the whole model gives, and is used instead of it."""

import asyncio
import functools
import json
import time

import numpy as np
import pytest
from child_processes import mapped
from hypothesis import given, settings
from hypothesis import strategies as st
from later import Later, open_clip, save_file, torch
from running import DEADLINE_S

from imgvecd.adapters.texttower import TextTower, building
from imgvecd.adapters.texttower.tokens import Tokens
from imgvecd.config.schema import EncodeConfig, ModelConfig
from imgvecd.core.library.model_choice import EMBEDDED, ModelChoice, choose_model
from imgvecd.errors import ModelError, NotBuiltError
from imgvecd.processes.split_encoder import SplitEncoder
from imgvecd.types import Lane

OpenClipModel = Later("imgvecd.adapters.openclip", "OpenClipModel")
SimpleTokenizer = Later("open_clip.tokenizer", "SimpleTokenizer")

FP32 = EncodeConfig(precision="fp32")
TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
TEXTS = [
    "a dog",
    "A photo of TWO dogs on the beach, at sunset; isn't it &lt;nice&gt;?",
    "",
    "   \t\n ",
    "日本語 テキスト ﬁne naÃ¯ve 🏖️",
    "<end_of_text> in the <start_of_text> middle",
    "many words " * 100,
    "x" * 3000,
]


def tiny(folder, **changes):
    """A model that nobody knows: a configuration and random weights in a local file."""
    config, checkpoint = folder / "tiny.json", folder / "tiny.safetensors"
    shape = {**TINY, **changes}
    config.write_text(json.dumps(shape))
    torch.manual_seed(1)
    save_file(open_clip.CLIP(**shape).state_dict(), checkpoint)
    fingerprint = choose_model(ModelConfig(name="tiny", pretrained=str(checkpoint))).fingerprint
    return ModelChoice("tiny", str(checkpoint), fingerprint, str(config), str(checkpoint))


@pytest.mark.parametrize("kind", [pytest.param(EMBEDDED, marks=pytest.mark.long), "gelu", "quick"])
@pytest.mark.parametrize("way", ["taken out", "built"])
def test_it_gives_what_the_whole_model_gives(tmp_path, kind, way):
    path = tmp_path / "towers" / "one"
    choice = choose_model(EMBEDDED)
    if kind != EMBEDDED:
        choice = tiny(tmp_path, quick_gelu=kind == "quick")
    model = OpenClipModel(choice, FP32, str(path))
    if way == "built":
        building.build(choice, str(path))
    tower = TextTower.read(str(path))
    assert tower.info == model.info
    expected = model.encode_texts(TEXTS)
    np.testing.assert_allclose((tower.encode_texts(TEXTS) * expected).sum(axis=1), 1, atol=1e-5)
    alone = np.concatenate([tower.encode_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, tower.encode_texts(TEXTS), atol=1e-5)


@functools.cache
def open_clips_tokens():
    return SimpleTokenizer()


@functools.cache
def tokens(context):
    merges = "\n".join(map(" ".join, open_clips_tokens().bpe_ranks))
    return Tokens(merges, context)


@pytest.mark.long
@settings(max_examples=300, deadline=None)
@given(
    text=st.text(max_size=60) | st.text(st.characters(max_codepoint=126), max_size=60),
    ours=st.builds(tokens, st.just(77)),
    theirs=st.builds(open_clips_tokens),
)
def test_every_text_has_the_ids_that_open_clip_gives_it(text, ours, theirs):
    (row,) = ours([text])
    (expected,) = theirs([text]).numpy()
    assert expected[: len(row)].tolist() == row.tolist()
    assert not expected[len(row) :].any()


@pytest.mark.parametrize(
    "text", [{"no_causal_mask": True}, {"pool_type": "last"}, {"ls_init_value": 0.1}]
)
def test_a_tower_of_another_kind_is_left_to_the_whole_model(tmp_path, text, caplog):
    choice = tiny(tmp_path, text_cfg={**TINY["text_cfg"], **text})
    path = tmp_path / "tower"
    model = OpenClipModel(choice, FP32, str(path))
    assert np.isfinite(model.encode_texts(["a dog"])).all()
    with pytest.raises(NotBuiltError):
        building.build(choice, str(path))
    assert not path.exists()


@pytest.mark.parametrize("at", [0, 9, 0.3, 0.6, -2000])
def test_a_damaged_file_is_refused(tmp_path, at):
    path = tmp_path / "tower"
    OpenClipModel(tiny(tmp_path), FP32, str(path))
    data = bytearray(path.read_bytes())
    start = int(at * len(data)) if isinstance(at, float) else at % len(data)
    data[start : start + 200_000] = bytes(len(data[start : start + 200_000]))
    path.write_bytes(data)
    with pytest.raises(ModelError):
        TextTower.read(str(path))
    path.write_bytes(b"")
    with pytest.raises(ModelError):
        TextTower.read(str(path))


def test_a_disk_that_is_full_costs_speed_only(tmp_path, caplog):
    (tmp_path / "file").touch()
    OpenClipModel(tiny(tmp_path), FP32, str(tmp_path / "file" / "tower"))
    assert "is not kept" in caplog.text


@pytest.mark.long
async def test_texts_need_no_torch(tmp_path):
    path = tmp_path / "towers" / "one"
    choice = tiny(tmp_path)
    whole = OpenClipModel(choice, FP32).encode_texts(TEXTS)
    encoder = SplitEncoder(choice, FP32, str(path), str(tmp_path / "images"))
    try:
        info = await encoder.info()
        until = time.monotonic() + DEADLINE_S
        while not path.exists():  # the model is known before its towers are built
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        await encoder.close()
        assert not encoder.loaded
        alone = await encoder.encode_texts(TEXTS, Lane.INTERACTIVE)
        assert encoder.loaded
        assert not mapped("libtorch")
        np.testing.assert_allclose((alone * whole).sum(axis=1), 1, atol=1e-5)
        assert alone.shape == (len(TEXTS), info.dim)

        await encoder.close()
        path.write_bytes(b"damaged")
        again = await encoder.encode_texts(TEXTS, Lane.INTERACTIVE)
        np.testing.assert_allclose((again * whole).sum(axis=1), 1, atol=1e-5)
        assert TextTower.read(str(path)).info == info
    finally:
        await encoder.close()


def test_what_is_kept_was_compared(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("imgvecd.adapters.openclip.text_tower._SAME", 1.1)
    OpenClipModel(tiny(tmp_path), FP32, str(tmp_path / "tower"))
    assert "to the model" in caplog.text
    assert not (tmp_path / "tower").exists()
