"""What every `Encoder` promises: the process, on the embedded and on any other model."""

import json

import numpy as np
import pytest
from later import open_clip, save_file, torch

from imgvecd.config.schema import EncodeConfig, ModelConfig
from imgvecd.core.library.model_choice import EMBEDDED, ModelChoice, choose_model
from imgvecd.processes.encoder_process import EncoderProcess
from imgvecd.types import Lane

pytestmark = pytest.mark.started_workers

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1},
}


def tiny_choice(folder):
    """A model that nobody knows: a configuration and random weights in a local file."""
    config, checkpoint = folder / "tiny.json", folder / "tiny.safetensors"
    config.write_text(json.dumps(TINY))
    torch.manual_seed(1)
    save_file(open_clip.CLIP(**TINY).state_dict(), checkpoint)
    fingerprint = choose_model(ModelConfig(name="tiny", pretrained=str(checkpoint))).fingerprint
    return ModelChoice("tiny", str(checkpoint), fingerprint, str(config), str(checkpoint))


# torch starts twice with it; by day, test_image_tower.py has such a model in a process
TINY_ONE = pytest.param("tiny", marks=pytest.mark.nightly)


@pytest.fixture(scope="module", params=[EMBEDDED, TINY_ONE])
def choice(request, tmp_path_factory):
    if request.param == EMBEDDED:
        return choose_model(EMBEDDED)
    return tiny_choice(tmp_path_factory.mktemp("model"))


@pytest.fixture
async def encoder(choice):
    encoder = EncoderProcess(choice, EncodeConfig())
    yield encoder
    await encoder.close()


def noise(size, count):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (count, 4, 4, 3), dtype=np.uint8)
    return [image.repeat(size // 4, 0).repeat(size // 4, 1).tobytes() for image in coarse]


async def test_the_protocol(encoder, choice):
    """One process, since starting one takes seconds: what it is, images, texts, nothing."""
    assert not encoder.loaded
    info = await encoder.info()
    assert encoder.loaded
    assert (info.fingerprint, info.name) == (choice.fingerprint, choice.name)

    images = noise(info.preprocess.size, 9)
    rows = await encoder.encode_images(images, Lane.BULK)
    assert rows.shape == (9, info.dim)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)
    alone = await encoder.encode_images(images[3:4], Lane.INTERACTIVE)
    assert float(alone[0] @ rows[3]) > 0.99  # whatever else was in the batch
    assert float(rows[0] @ rows[3]) < 0.9999

    texts = await encoder.encode_texts(["a dog", "a dog on a long, long beach", ""], Lane.BULK)
    assert texts.shape == (3, info.dim)
    alone = await encoder.encode_texts(["a dog"], Lane.INTERACTIVE)
    assert float(alone[0] @ texts[0]) > 0.995

    assert (await encoder.encode_images([], Lane.BULK)).shape == (0, info.dim)
    assert (await encoder.encode_texts([], Lane.BULK)).shape == (0, info.dim)

    await encoder.close()
    assert not encoder.loaded
    if choice.name == EMBEDDED:
        return  # the small model starts again in half the time
    again = await encoder.encode_images(images[:1], Lane.BULK)
    assert float(again[0] @ rows[0]) > 0.99
