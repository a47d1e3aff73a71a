"""Models that take their texts from the package transformers: what is missing is said."""

import json

import pytest
from later import Later, open_clip, save_file, torch

from imgvecd.config.schema import ModelConfig
from imgvecd.core.library.model_choice import PRESETS, choose_model
from imgvecd.errors import ModelError

pytestmark = pytest.mark.long  # torch and open_clip are imported

loading = Later("imgvecd.adapters.openclip.loading")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"imgvecd\[multilingual\]"):
        loading.load(choose_model("multilingual"))


def test_a_tokenizer_that_cannot_be_fetched_is_named(monkeypatch):
    def fails(_):
        raise OSError("no network")

    monkeypatch.setattr(loading.open_clip, "get_tokenizer", fails)
    monkeypatch.setattr("imgvecd.adapters.openclip.loading._hub_answers", lambda: False)
    with pytest.raises(ModelError, match=r"tokenizer of xlm-roberta.* cache"):
        loading.load_tokenizer(choose_model("multilingual"))


@pytest.mark.parametrize("preset", sorted(PRESETS.keys() - {"small"}))
def test_presets_are_models_of_open_clip(preset):
    model = PRESETS[preset]
    assert open_clip.is_pretrained_cfg(model.name, model.pretrained)
    loading._check_names(choose_model(preset))


def test_texts_in_many_languages_become_vectors(tmp_path):
    """The code path of `multilingual`, with a small model of random weights."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    folder = str(tmp_path)
    transformers.XLMRobertaConfig(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=80,
    ).save_pretrained(folder)
    special = [(name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")]
    letters = [(letter, -2.0) for letter in "▁abcdefghijklmnopqrstuvwxyzäöüé海滩"]
    pieces = tokenizers.Tokenizer(tokenizers.models.Unigram(special + letters, unk_id=3))
    pieces.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    pieces.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    pieces.save(f"{folder}/tokenizer.json")
    transformers.XLMRobertaTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json").save_pretrained(
        folder
    )
    config = open_clip.get_model_config(PRESETS["multilingual"].name)
    config["text_cfg"].update(hf_model_name=folder, hf_tokenizer_name=folder)
    config["vision_cfg"].update(layers=1, width=64, head_width=32, image_size=32, patch_size=16)
    config["embed_dim"] = 16
    (tmp_path / "xlm-tiny.json").write_text(json.dumps(config))
    open_clip.add_model_config(str(tmp_path / "xlm-tiny.json"))
    model = open_clip.create_model("xlm-tiny", pretrained_hf=False).eval()
    choice = choose_model("multilingual")
    tokenizer = loading.load_tokenizer(_named(choice, "xlm-tiny"))
    ids = tokenizer(["Hund am Strand", "海滩"])
    vectors = model.encode_text(ids, normalize=True).detach()
    assert vectors.shape == (2, 16)
    assert float(vectors[0] @ vectors[1]) < 1 - 1e-4
    assert loading.preprocess_spec(model).size == 32


def _named(choice, name):
    return type(choice)(name, choice.pretrained, choice.fingerprint)


def test_siglip2_runs_from_files(tmp_path):
    """Its code path with random weights: a tokenizer of Gemma's class, a checkpoint in a file."""
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    folder = str(tmp_path)
    special = {f"{name}_token": f"<{name}>" for name in ("pad", "eos", "bos", "unk")}
    letters = [*"▁abcdefghijklmnopqrstuvwxyzäöüé海滩đờ"]
    vocabulary = {piece: number for number, piece in enumerate([*special.values(), *letters])}
    pieces = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocabulary, [], unk_token=special["unk_token"])
    )
    pieces.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    pieces.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    pieces.save(f"{folder}/tokenizer.json")
    transformers.GemmaTokenizerFast(
        tokenizer_file=f"{folder}/tokenizer.json", **special
    ).save_pretrained(folder)
    config = open_clip.get_model_config("ViT-B-16-SigLIP2")
    config["text_cfg"].update(
        hf_tokenizer_name=folder, vocab_size=len(vocabulary), width=32, heads=2, layers=1
    )
    (tmp_path / "siglip2-tiny.json").write_text(json.dumps(config))
    open_clip.add_model_config(str(tmp_path / "siglip2-tiny.json"))
    torch.manual_seed(1)
    checkpoint = tmp_path / "siglip2.safetensors"
    save_file(open_clip.create_model("siglip2-tiny").state_dict(), checkpoint)
    choice = choose_model(ModelConfig(name="siglip2-tiny", pretrained=str(checkpoint)))
    model, tokenizer = loading.load(choice), loading.load_tokenizer(choice)
    texts = ["Hund am Strand", "海滩", "hund am strand"]
    ids = tokenizer(texts)
    assert ids.shape == (3, config["text_cfg"]["context_length"])
    assert int(ids[0][13 + 1]) in {0, 1}  # padded after its end
    vectors = model.encode_text(ids, normalize=True).detach()
    assert vectors.shape == (3, 768)
    assert float(vectors[0] @ vectors[1]) < 1 - 1e-4
    assert float(vectors[0] @ vectors[2]) > 1 - 1e-5  # it knows small letters only
    assert loading.preprocess_spec(model).size == 224
    picture = torch.rand(1, 3, 224, 224)
    assert model.encode_image(picture, normalize=True).shape == (1, 768)
