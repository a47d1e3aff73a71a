"""The image tower on OpenVINO gives what the whole model gives, and is used instead of it."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from child_processes import children_with, mapped
from later import Later, open_clip, save_file, torch
from running import DEADLINE_S

from imgvecd.adapters.imagetower import BINARY, GRAPH, ImageTower, building, load_openvino
from imgvecd.adapters.imagetower.plain_products import use_plain_products
from imgvecd.config.schema import EncodeConfig, ModelConfig
from imgvecd.core.library import runtime_choice
from imgvecd.core.library.model_choice import EMBEDDED, ModelChoice, choose_model
from imgvecd.core.library.runtime_choice import RUNTIME_FILE, read_choice
from imgvecd.core.small_products import likeness
from imgvecd.errors import ModelError, NotBuiltError
from imgvecd.processes import split_encoder
from imgvecd.processes.split_encoder import SplitEncoder
from imgvecd.processes.worker_messages import EncodeArguments
from imgvecd.types import Lane, Priority
from imgvecd.workers.encode import Encoding

OpenClipModel = Later("imgvecd.adapters.openclip", "OpenClipModel")
image_tower = Later("imgvecd.adapters.openclip.image_tower")
comparing = Later("imgvecd.adapters.imagetower.pictures")

FP32 = EncodeConfig(precision="fp32", runtime="openvino")
AUTO = EncodeConfig()
INT8 = EncodeConfig(precision="int8")
WHOLE = EncodeConfig(device="cuda")  # what surely runs on the processor is built
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
VIT = {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
TOWERS = {
    "vit": VIT,
    "siglip-like": {**VIT, "pool_type": "avg", "no_ln_pre": True},
    "quick": {**VIT, "pool_type": "avg", "final_ln_after_pool": True, "mlp_ratio": 3.0},
    "attention pool": {**VIT, "attentional_pool": True, "attn_pooler_heads": 2},
    "resnet": {"layers": [1, 1, 1, 1], "width": 16, "image_size": 64},
    "timm": {
        "timm_model_name": "tf_efficientnet_lite0",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 64,
    },
}
BUILT = ["vit", "siglip-like", "quick", "timm"]


def tiny(folder, kind="vit"):
    """A model that nobody knows: a configuration and random weights in a local file."""
    shape = {"embed_dim": 32, "vision_cfg": TOWERS[kind], "text_cfg": TEXT}
    shape["quick_gelu"] = kind == "quick"
    config, checkpoint = folder / "tiny.json", folder / "tiny.safetensors"
    config.write_text(json.dumps(shape))
    torch.manual_seed(1)
    save_file(open_clip.CLIP(**shape).state_dict(), checkpoint)
    fingerprint = choose_model(ModelConfig(name="tiny", pretrained=str(checkpoint))).fingerprint
    return ModelChoice("tiny", str(checkpoint), fingerprint, str(config), str(checkpoint))


def kept(folder, choice, config=FP32):
    """Return (the whole model, what was chosen, the folder of the tower)."""
    model = OpenClipModel(choice, config)
    directory = str(folder / "towers" / "one")
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    return model, model.keep_image_tower(directory), directory


BY_CONVERSION = [
    pytest.param(kind, marks=pytest.mark.nightly if kind in BUILT else ()) for kind in TOWERS
]


# what is built from the checkpoint is seldom converted: the kinds of it at night
@pytest.mark.parametrize("kind", [pytest.param(EMBEDDED, marks=pytest.mark.long), *BY_CONVERSION])
def test_it_gives_what_the_whole_model_gives(tmp_path, kind):
    choice = choose_model(EMBEDDED) if kind == EMBEDDED else tiny(tmp_path, kind)
    model, found, directory = kept(tmp_path, choice)
    assert found.runtime == "openvino", found.note
    assert read_choice(directory, FP32) == found
    require_same(model, directory)
    assert os.listdir(tmp_path / "towers") == ["one"]


@pytest.mark.parametrize("kind", [EMBEDDED, *BUILT])
def test_one_that_is_built_from_the_checkpoint_gives_the_same(tmp_path, kind):
    choice = choose_model(EMBEDDED) if kind == EMBEDDED else tiny(tmp_path, kind)
    directory = str(tmp_path / "tower")
    tower = building.build(choice, FP32, directory)
    assert tower.info.dim == (512 if kind == EMBEDDED else 32)
    assert "built" in read_choice(directory, FP32).note
    require_same(OpenClipModel(choice, FP32), directory)


def test_without_avx512_products_are_plain_and_give_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr("imgvecd.adapters.imagetower.tower._LARGE_BYTES", 0)  # kept as float16
    choice, directory = tiny(tmp_path), str(tmp_path / "tower")
    building.build(choice, FP32, directory)
    pixels = np.random.default_rng(1).integers(0, 256, (5, 32, 32, 3), np.uint8)
    rows = []
    for plain in (False, True):
        monkeypatch.setattr(
            "imgvecd.adapters.imagetower.tower.computes_avx2_at_best", lambda plain=plain: plain
        )
        rows.append(ImageTower.read(directory).encode_images(pixels))
    assert likeness(*rows) > 0.999999
    model = load_openvino().Core().read_model(os.path.join(directory, GRAPH))
    nodes = model.get_ordered_ops()
    assert [node.get_type_name() for node in nodes].count("Gelu") == 2
    assert "decompression_0" in {key for node in nodes for key in node.get_rt_info()}
    use_plain_products(model)
    nodes = model.get_ordered_ops()
    assert "Gelu" not in {node.get_type_name() for node in nodes}
    assert "decompression_0" not in {key for node in nodes for key in node.get_rt_info()}


def test_one_that_bf16_is_too_coarse_for_is_built_in_fp32(tmp_path, monkeypatch):
    monkeypatch.setattr("imgvecd.adapters.imagetower.building.computes_bf16", lambda: True)
    monkeypatch.setattr("imgvecd.adapters.imagetower.building.SAME", 1.1)  # that none has
    tower = building.build(tiny(tmp_path), AUTO, str(tmp_path / "tower"))
    assert tower.dtype == "float32"
    assert "fp32" in read_choice(str(tmp_path / "tower"), AUTO).note


@pytest.mark.parametrize("vnni", [True, False])
@pytest.mark.parametrize("kind", [EMBEDDED, *BUILT[:-1]])  # it is too coarse for a random timm
def test_in_int8_it_gives_similar_vectors_and_says_how_similar(tmp_path, monkeypatch, kind, vnni):
    if vnni and not runtime_choice.computes_vnni():
        pytest.skip("the processor has no VNNI")
    monkeypatch.setattr("imgvecd.adapters.imagetower.building.computes_vnni", lambda: vnni)
    choice = choose_model(EMBEDDED) if kind == EMBEDDED else tiny(tmp_path, kind)
    exact = building.build(choice, FP32, str(tmp_path / "exact"))
    directory = str(tmp_path / "tower")
    assert building.build(choice, INT8, directory).dtype == "int8"
    tower = ImageTower.read(directory)
    assert tower.dtype == "int8"
    pictures = comparing.comparison_pictures(exact.info.preprocess)
    rows, expected = tower.encode_images(pictures), exact.encode_images(pictures)
    cosine = likeness(rows, expected)
    assert cosine >= comparing.SIMILAR
    assert not np.array_equal(rows, expected)
    note = read_choice(directory, INT8).note
    told = re.search(r"OpenVINO in int8, .* cosine ([0-9.]+) to fp32", note)
    assert float(told[1]) == pytest.approx(cosine, abs=0.001)
    assert read_choice(directory, FP32) is None
    graph = load_openvino().Core().read_model(os.path.join(directory, GRAPH))
    constants = [node for node in graph.get_ops() if node.get_type_name() == "Constant"]
    kinds = [node.get_element_type().get_type_name() for node in constants]
    assert kinds.count("i8") >= 5


def test_a_model_that_int8_is_too_coarse_for_is_not_built_in_it(tmp_path, monkeypatch):
    monkeypatch.setattr("imgvecd.adapters.imagetower.building.SIMILAR", 1.1)
    with pytest.raises(NotBuiltError, match="too coarse"):
        building.build(tiny(tmp_path), INT8, str(tmp_path / "tower"))
    assert not (tmp_path / "tower").exists()


@pytest.mark.parametrize("kind", ["attention pool", "resnet"])
def test_an_unusual_one_is_not_built(tmp_path, kind):
    with pytest.raises(NotBuiltError, match="unusual"):
        building.build(tiny(tmp_path, kind), FP32, str(tmp_path / "tower"))
    assert not (tmp_path / "tower").exists()


def test_a_checkpoint_of_another_architecture_is_not_built(tmp_path):
    choice = tiny(tmp_path)
    for change, reason in [
        ({"layers": 1}, "has visual.transformer.resblocks.1"),
        ({"layers": 3}, "resblocks.2"),
        ({"width": 32}, "visual.conv1.weight"),
        ({"image_size": 64}, "positional"),  # which open_clip interpolates
        ({"no_ln_pre": True}, "has visual.ln_pre"),
        ({"ls_init_value": 0.1}, "unusual"),
    ]:
        shape = {"embed_dim": 32, "vision_cfg": {**VIT, **change}, "text_cfg": TEXT}
        (tmp_path / "tiny.json").write_text(json.dumps(shape))
        with pytest.raises(NotBuiltError, match=reason):
            building.build(choice, FP32, str(tmp_path / "tower"))
    assert not (tmp_path / "tower").exists()


async def test_while_it_is_asked_what_a_model_is_its_image_tower_is_loaded(tmp_path):
    encoder = SplitEncoder(tiny(tmp_path), FP32, str(tmp_path / "texts"), str(tmp_path / "images"))
    try:
        await encoder.info()
        await asyncio.wait_for(encoder._loading, 300)
        assert encoder._images.loaded
    finally:
        await encoder.close()


def require_same(model, directory):
    tower = ImageTower.read(directory)
    assert tower.info == model.info
    pictures = comparing.comparison_pictures(model.info.preprocess)
    whole = model.encode_images(pictures)
    assert (tower.encode_images(pictures) * whole).sum(axis=1).min() >= comparing.SAME
    alone = np.concatenate([tower.encode_images(picture[None]) for picture in pictures])
    np.testing.assert_allclose((alone * whole).sum(axis=1), 1, atol=1 - comparing.SAME)
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 5, 7, 8])
def test_a_batch_is_shared_out_between_streams_and_comes_back_in_order(tmp_path, threads):
    directory = str(tmp_path / "tower")
    building.build(tiny(tmp_path), FP32, directory)
    tower = ImageTower.read(directory, threads)
    assert tower._compiled.streams == {1: 1, 2: 2, 3: 3, 4: 4, 5: 2, 7: 3, 8: 4}[threads]
    size = tower.info.preprocess.size
    pixels = np.random.default_rng(0).integers(0, 256, (17, size, size, 3)).astype(np.uint8)
    alone = np.concatenate([tower.encode_images(each[None]) for each in pixels])
    for count in (1, 2, 3, 5, 8, 17):
        rows = tower.encode_images(pixels[:count])
        np.testing.assert_allclose((rows * alone[:count]).sum(axis=1), 1, atol=1e-4)


@pytest.mark.long
def test_bf16_is_used_only_where_it_gives_the_same():
    """What is left to us is as exact as fp32, whatever the processor computes in."""
    exact = OpenClipModel(choose_model(EMBEDDED), EncodeConfig(precision="fp32"))
    chosen = OpenClipModel(choose_model(EMBEDDED), AUTO)
    pictures = comparing.comparison_pictures(exact.info.preprocess)
    rows = chosen.encode_images(pictures) * exact.encode_images(pictures)
    assert rows.sum(axis=1).min() > 0.999


def test_torch_stays_where_vectors_differ(tmp_path, monkeypatch):
    monkeypatch.setattr("imgvecd.adapters.openclip.image_tower.SAME", 1.1)
    _, found, directory = kept(tmp_path, tiny(tmp_path))
    assert found.runtime == "torch"
    assert "differ" in found.note
    assert os.listdir(directory) == [RUNTIME_FILE]
    assert read_choice(directory, FP32) == found


@pytest.mark.parametrize(("torch_ms", "runtime"), [(1.0, "torch"), (9.5, "openvino")])
def test_what_is_faster_is_taken(tmp_path, monkeypatch, torch_ms, runtime):
    monkeypatch.setattr(
        "imgvecd.adapters.openclip.image_tower._ms_each", lambda *_: (10.0, torch_ms)
    )
    _, found, _ = kept(tmp_path, tiny(tmp_path), EncodeConfig(precision="fp32"))
    assert found.runtime == runtime
    assert "10.0 ms" in found.note
    assert f"{torch_ms} with torch" in found.note


def test_a_format_that_it_does_not_compute_in_is_left_to_torch(tmp_path):
    _, found, _ = kept(tmp_path, tiny(tmp_path), EncodeConfig(precision="fp16"))
    assert found.runtime == "torch"
    assert "fp16" in found.note


def test_a_model_that_cannot_be_converted_is_left_to_torch(tmp_path, monkeypatch):
    def fail(*_args, **_kwargs):
        raise RuntimeError("no such operation\nand more")

    monkeypatch.setattr(image_tower.imagetower.load_openvino(), "convert_model", fail)
    _, found, _ = kept(tmp_path, tiny(tmp_path))
    assert found.note == "torch: OpenVINO cannot convert tiny: no such operation"


def test_other_circumstances_are_looked_at_anew(tmp_path, monkeypatch):
    _, found, directory = kept(tmp_path, tiny(tmp_path))
    assert read_choice(directory, FP32) == found
    assert read_choice(directory, EncodeConfig(precision="bf16", runtime="openvino")) is None
    monkeypatch.setattr(runtime_choice, "_CARDS", (str(tmp_path / "towers*"),))
    assert read_choice(directory, FP32) is None


@pytest.fixture(scope="module")
def kept_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    return kept(folder, tiny(folder))[2]


@pytest.mark.parametrize("name", [GRAPH, BINARY, "tower.json"])
@pytest.mark.parametrize("damage", ["bits", "cut", "gone"])
def test_a_damaged_tower_is_refused(tmp_path, kept_once, name, damage):
    directory = shutil.copytree(kept_once, tmp_path / "tower")
    path = directory / name
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        half = len(data) // 2
        rest = bytes(16) + data[half + 16 :] if damage == "bits" else b""
        path.write_bytes(data[:half] + rest)
    with pytest.raises(ModelError):
        ImageTower.read(directory)


async def until_kept(encoder):
    async with asyncio.timeout(DEADLINE_S):
        while encoder.runtime_note is None or mapped("libtorch"):
            await asyncio.sleep(0.2)  # thousands of regions are looked at


def states_of_threads():
    """Return what the kernel says of each thread of the encoders: OpenVINO has its own."""
    workers = [worker.pid for worker in children_with("imgvecd.workers.encode")]
    states = [
        (thread / "status").read_text()
        for worker in workers
        for thread in Path(f"/proc/{worker}/task").iterdir()
    ]
    assert len(states) > len(workers)
    return states


@pytest.mark.nightly  # torch is loaded three times; by day the usual models, which never need it
async def test_images_need_no_torch_once_the_model_was_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(split_encoder, "_IDLE_S", 0.05)
    choice, images = tiny(tmp_path, "attention pool"), tmp_path / "images"

    def split():
        return SplitEncoder(choice, FP32, str(tmp_path / "texts"), str(images))

    encoder = split()
    try:
        pixels = [os.urandom(3 * 32 * 32) for _ in range(5)]
        whole = await encoder.encode_images(pixels, Lane.BULK)
        assert encoder.speed.runs_on == "torch, cpu, float32"
        await until_kept(encoder)
        alone = await encoder.encode_images(pixels, Lane.BULK)
        assert encoder.speed.runs_on == "openvino, cpu, float32"
        assert (alone * whole).sum(axis=1).min() >= comparing.SAME
        await encoder.close()

        again = encoder = split()
        info = await again.info()
        assert info.fingerprint == choice.fingerprint
        alone = await again.encode_images(pixels, Lane.INTERACTIVE)
        await again.encode_texts(["a dog"], Lane.INTERACTIVE)
        assert (alone * whole).sum(axis=1).min() >= comparing.SAME
        assert not mapped("libtorch")
        await again.close()

        (images / BINARY).write_bytes(b"damaged")
        encoder = split()
        alone = await encoder.encode_images(pixels, Lane.BULK)  # by the whole model
        assert (alone * whole).sum(axis=1).min() >= comparing.SAME
        await until_kept(encoder)
        assert ImageTower.read(str(images))
    finally:
        await encoder.close()


@pytest.mark.long
async def test_a_usual_model_never_needs_torch(tmp_path):
    choice, images = tiny(tmp_path), tmp_path / "images"
    encoder = SplitEncoder(choice, AUTO, str(tmp_path / "texts"), str(images))
    try:
        pixels = [os.urandom(3 * 32 * 32) for _ in range(5)]
        rows = await encoder.encode_images(pixels, Lane.BULK)
        await encoder.encode_texts(["a dog"], Lane.INTERACTIVE)
        assert not mapped("libtorch")
        assert encoder.sandbox == ("no_new_privs", "landlock", "seccomp")
        assert all("NoNewPrivs:\t1\nSeccomp:\t2" in each for each in states_of_threads())
        (images / BINARY).write_bytes(b"damaged")
        await encoder.close()
        again = await encoder.encode_images(pixels, Lane.BULK)
        assert not mapped("libtorch")
        assert (again * rows).sum(axis=1).min() >= comparing.SAME
        assert "built" in encoder.runtime_note
    finally:
        await encoder.close()


@pytest.mark.long
@pytest.mark.parametrize("differs", [False, True])
async def test_one_that_was_built_is_compared_with_torch_once_nothing_is_to_do(
    tmp_path, monkeypatch, differs
):
    monkeypatch.setattr(split_encoder, "_REST_S", 0.05)
    monkeypatch.setattr(split_encoder, "_HUMBLE", Priority())  # other tests want the cores
    choice, images = tiny(tmp_path), str(tmp_path / "images")
    building.build(choice, AUTO, images)
    if differs:
        weights = safetensors.numpy.load_file(choice.checkpoint_path)
        other = {name: np.roll(array, 1) for name, array in weights.items()}
        safetensors.numpy.save_file(other, choice.checkpoint_path)
    encoder = SplitEncoder(choice, AUTO, str(tmp_path / "texts"), images)
    try:
        pixels = [os.urandom(3 * 32 * 32) for _ in range(5)]
        built = await encoder.encode_images(pixels, Lane.BULK)
        async with asyncio.timeout(DEADLINE_S):
            while not read_choice(images, AUTO).compared or mapped("libtorch"):
                await asyncio.sleep(0.2)  # thousands of regions are looked at
        again = await encoder.encode_images(pixels, Lane.BULK)
        expected = OpenClipModel(choice, AUTO).encode_images(
            np.frombuffer(bytearray(b"".join(pixels)), np.uint8).reshape(5, 32, 32, 3)
        )
        assert (again * expected).sum(axis=1).min() >= comparing.SAME
        assert ((built * expected).sum(axis=1).min() < comparing.SAME) == differs
        assert ("differs: cosine" if differs else " to torch") in encoder.runtime_note
        assert encoder.runtime_note == read_choice(images, AUTO).note
    finally:
        await encoder.close()


def test_a_tower_is_not_compared_where_memory_is_short(tmp_path, monkeypatch):
    choice, images = tiny(tmp_path), str(tmp_path / "images")
    building.build(choice, AUTO, images)
    monkeypatch.setattr("imgvecd.workers.encode._TORCH_BYTES", 1 << 50)
    arguments = EncodeArguments(
        choice, AUTO, Priority(), "comparison", image_tower=images, may_fetch=False
    )
    with pytest.raises(ModelError, match="memory are not free"):
        Encoding(arguments)


@pytest.mark.long
async def test_torch_alone_converts_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(split_encoder, "_IDLE_S", 0.0)
    config = EncodeConfig(precision="fp32", runtime="torch")
    encoder = SplitEncoder(tiny(tmp_path), config, str(tmp_path / "t"), str(tmp_path / "i"))
    try:
        await encoder.encode_images([os.urandom(3 * 32 * 32)] * 2, Lane.BULK)
        await asyncio.sleep(0)
        assert encoder.runtime_note is None
        assert not (tmp_path / "i").exists()
    finally:
        await encoder.close()


async def test_a_conversion_that_kills_is_not_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(split_encoder, "_IDLE_S", 0.05)
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(__file__)))
    monkeypatch.setenv("NOTES", str(tmp_path))
    real = split_encoder.EncoderProcess

    def fake(*args, **kwargs):
        return real(*args, **kwargs, module="misbehaving_encoder")

    monkeypatch.setattr(split_encoder, "EncoderProcess", fake)
    choice = ModelChoice("fake", "", "f")
    encoder = SplitEncoder(choice, WHOLE, str(tmp_path / "t"), str(tmp_path / "i"))
    try:
        await encoder.encode_images([bytes(12)], Lane.BULK)
        await until_kept(encoder)
        assert "converting the image tower failed" in encoder.runtime_note
        assert (await encoder.encode_images([bytes(12)], Lane.BULK)).shape == (1, 4)
        assert read_choice(str(tmp_path / "i"), WHOLE).runtime == "torch"
    finally:
        await encoder.close()


def test_openvino_tells_nobody():
    """Importing it as its authors mean it reports its use to a server."""
    code = (
        "import sys, socket; from imgvecd.adapters.imagetower import load_openvino\n"
        "def refuse(*_): raise AssertionError\n"
        "socket.socket.connect = refuse\n"
        "load_openvino()\n"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry.')]\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_openvino_torch_does_it_all(tmp_path, monkeypatch):
    def missing():
        raise ModelError("OpenVINO cannot be used here: no module")

    monkeypatch.setattr("imgvecd.adapters.imagetower.load_openvino", missing)
    _, found, directory = kept(tmp_path, tiny(tmp_path))
    assert found.note == "torch: OpenVINO cannot be used here: no module"
    shutil.rmtree(directory)
