"""Models and devices that fail: smaller batches, then the CPU; what is no number is refused."""

import types

import numpy as np
import pytest
from later import Later, torch

from imgvecd.config.schema import EncodeConfig, ModelConfig
from imgvecd.core.library.model_choice import EMBEDDED, ModelChoice, choose_model
from imgvecd.errors import ModelError

pytestmark = pytest.mark.long

OpenClipModel = Later("imgvecd.adapters.openclip", "OpenClipModel")
loading = Later("imgvecd.adapters.openclip.loading")

FP32 = EncodeConfig(precision="fp32")


@pytest.fixture(scope="module")
def model():
    return OpenClipModel(choose_model(EMBEDDED), FP32)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 255, (8, 224, 224, 3), dtype=np.uint8)


def small_gpu(model, monkeypatch, room):
    """Pretend that the model runs on a GPU whose memory holds `room` images at once."""
    sizes, forward = [], model._forward_images

    def limited(images):
        if model.device.type == "cuda":
            sizes.append(len(images))
            if len(images) > room:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        with monkeypatch.context() as patch:
            patch.setattr(model, "device", torch.device("cpu"))
            return forward(images)

    monkeypatch.setattr(model, "_forward_images", limited)
    monkeypatch.setattr(model, "device", types.SimpleNamespace(type="cuda"))
    return sizes


def test_out_of_memory_means_smaller_batches(model, pixels, monkeypatch):
    expected = model.encode_images(pixels)
    sizes = small_gpu(model, monkeypatch, 2)
    np.testing.assert_allclose(model.encode_images(pixels), expected, atol=1e-4)
    assert sizes == [8, 4, 2, 2, 4, 2, 2]
    assert model.device.type == "cuda"


def test_no_memory_at_all_means_the_cpu(model, pixels, monkeypatch):
    expected = model.encode_images(pixels)
    sizes = small_gpu(model, monkeypatch, 0)
    np.testing.assert_allclose(model.encode_images(pixels), expected, atol=1e-4)
    assert sizes == [8, 4, 2, 1]
    assert model.device.type == "cpu"


def test_other_errors_are_not_swallowed(model, pixels, monkeypatch):
    def broken(images):
        raise RuntimeError("device-side assert triggered")

    monkeypatch.setattr(model, "_forward_images", broken)
    with pytest.raises(RuntimeError, match="device-side"):
        model.encode_images(pixels)


def test_rows_without_a_direction_become_nan(model, pixels, monkeypatch):
    forward = model._forward_images

    def partly(images):
        vectors = forward(images).clone()
        vectors[1], vectors[2] = 0, float("inf")
        return vectors

    monkeypatch.setattr(model, "_forward_images", partly)
    finite = np.isfinite(model.encode_images(pixels)).all(axis=1)
    assert finite.tolist() == [True, False, False, True, True, True, True, True]


def test_a_model_that_gives_no_numbers_is_refused(monkeypatch):
    real = loading._create

    def poisoned(choice):
        model = real(choice)
        model.text_projection.data[:] = float("nan")
        return model

    monkeypatch.setattr("imgvecd.adapters.openclip.loading._create", poisoned)
    with pytest.raises(ModelError, match="no finite vectors"):
        OpenClipModel(choose_model(EMBEDDED), EncodeConfig())


def test_what_overflows_in_half_precision_runs_in_fp32(monkeypatch):
    works = OpenClipModel._works
    monkeypatch.setattr(
        "imgvecd.adapters.openclip.OpenClipModel._works",
        lambda self: self.dtype == torch.float32 and works(self),
    )
    model = OpenClipModel(choose_model(EMBEDDED), EncodeConfig(precision="bf16"))
    assert model.dtype == torch.float32


def load(**names):
    return loading.load(choose_model(ModelConfig(**names)))


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(ModelError, match=r"ViT-B-33; it has .*ViT-B-32"):
        load(name="ViT-B-33", pretrained="openai")
    with pytest.raises(ModelError, match=r"laion2b_s34 of ViT-B-32; it has laion2b_s34b_b79k"):
        load(name="ViT-B-32", pretrained="laion2b_s34")


def test_without_a_hub_the_error_names_three_ways_out(monkeypatch, tmp_path):
    monkeypatch.setattr("imgvecd.adapters.openclip.loading.hub.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("imgvecd.adapters.openclip.loading.hub.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError) as caught:
        load(name="ViT-B-32")
    for way in ("network", "local checkpoint file", "model: imgvecd-mini"):
        assert way in str(caught.value)


def test_a_file_that_is_no_checkpoint_is_named(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"these are no weights")
    with pytest.raises(ModelError, match=r"weights\.safetensors cannot be loaded as ViT-B-32"):
        load(name="ViT-B-32", pretrained=str(path))


class Hostile:
    """What a pickle can do: call anything."""

    def __reduce__(self):
        return print, ("pwned",)


def test_no_pickle_is_executed(tmp_path, capsys):
    path = tmp_path / "weights.pt"
    torch.save({"state_dict": Hostile()}, path)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(name="ViT-B-32", pretrained=str(path))
    assert "pwned" not in capsys.readouterr().out


def test_a_device_that_is_not_there():
    with pytest.raises(ModelError, match=r"encode\.device: .*frob"):
        OpenClipModel(ModelChoice("x", "", ""), EncodeConfig(device="frob"))
