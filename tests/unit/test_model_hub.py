"""A model that cannot be had is told at once, with the ways out, before torch is loaded."""

import socket
import traceback

import pytest
from ports import free_port

from imgvecd import VectorDatabase
from imgvecd.config.schema import ModelConfig
from imgvecd.core.library.model_choice import choose_model
from imgvecd.errors import ModelError
from imgvecd.wiring import model_hub

WANTED = choose_model(ModelConfig(name="ViT-L-14", pretrained="openai"))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that refuses connections, and an empty cache; returns the constants that name them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(model_hub.hub, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(model_hub.hub, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(model_hub.hub, "ENDPOINT", f"http://127.0.0.1:{free_port()}")
    return model_hub.hub


def test_a_hub_that_refuses_is_told_with_the_ways_out(hub):
    with pytest.raises(ModelError, match=r"network; or set model\.pretrained .* or set model: "):
        model_hub.require_fetchable(WANTED)


def test_a_hub_without_an_address_as_well(hub, monkeypatch):
    monkeypatch.setattr(hub, "ENDPOINT", "https://nowhere.invalid")

    def unknown(*_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    with pytest.raises(ModelError):
        model_hub.require_fetchable(WANTED)


def test_offline_on_purpose_as_well(hub, monkeypatch):
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError):
        model_hub.require_fetchable(WANTED)


def test_what_may_be_had_is_tried(hub, monkeypatch, tmp_path):
    model_hub.require_fetchable(choose_model("imgvecd-mini"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    model_hub.require_fetchable(WANTED)  # who knows what the proxy reaches
    monkeypatch.delenv("http_proxy")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(hub, "ENDPOINT", f"http://127.0.0.1:{listener.getsockname()[1]}")
        model_hub.require_fetchable(WANTED)
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    (tmp_path / "hub" / "models--some--model").mkdir(parents=True)
    model_hub.require_fetchable(WANTED)  # the cache may have it


def test_the_library_shows_one_frame_and_leaves_no_folder(hub, tmp_path):
    with pytest.raises(ModelError) as caught:
        VectorDatabase(model_name="ViT-L-14", pretrained="openai", db_path=str(tmp_path / "db"))
    assert len(traceback.extract_tb(caught.tb)) == 2  # this test's, and the constructor's
    assert not (tmp_path / "db").exists()
