"""Where settings come from, which wins, and what the complaints say."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from imgvecd.config.example import render
from imgvecd.config.load import dump, load, quoted
from imgvecd.config.schema import Config, ModelConfig, RootConfig, WatchConfig
from imgvecd.config.schema_table import is_list, settings
from imgvecd.errors import ConfigError


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("IMGVECD_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    return tmp_path


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "imgvecd.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


# each line ten times the one before
BOMB = "exclude:\n- &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"- &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in itertools.pairwise("abcdefghi")
)


def test_without_a_file_the_defaults_hold():
    assert load() == Config()


def test_the_default_file_is_read_if_it_exists(home):
    (home / "xdg" / "imgvecd").mkdir(parents=True)
    (home / "xdg" / "imgvecd" / "imgvecd.yaml").write_text("log_level: debug")
    assert load().log_level == "debug"


def test_a_named_file_must_exist():
    with pytest.raises(ConfigError, match=r"/nowhere/x.yaml: cannot be read: No such file"):
        load("/nowhere/x.yaml")


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (os.mkfifo, "it is not a file"),
        (os.mkdir, "it is not a file"),
        (lambda path: os.symlink("/dev/zero", path), "it is not a file"),
        (lambda path: os.symlink(path, path), "cannot be read"),
        (lambda path: os.symlink("/nowhere/at all", path), "No such file"),
        (lambda path: Path(path).write_text("# x\n" * 250_001), "more than 1,000,000 bytes"),
    ],
)
def test_what_is_no_configuration_is_refused_at_once(home, make, complaint):
    """At the default place, too: what cannot be read is no missing file."""
    path = home / "xdg" / "imgvecd" / "imgvecd.yaml"
    path.parent.mkdir(parents=True)
    make(str(path))
    with pytest.raises(ConfigError, match=complaint) as caught:
        load()
    assert str(path) in str(caught.value)


def test_flags_over_environment_over_file(write, monkeypatch):
    path = write("watch:\n  settle_ms: 1\n  poll_interval_s: 1\n  hidden: true\n")
    monkeypatch.setenv("IMGVECD_WATCH__SETTLE_MS", "2")
    monkeypatch.setenv("IMGVECD_WATCH__POLL_INTERVAL_S", "2")
    config = load(path, {"watch.settle_ms": "3"})
    assert config.watch == WatchConfig(settle_ms=3, poll_interval_s=2, hidden=True)


def test_the_file_may_be_named_by_a_variable(write, monkeypatch):
    monkeypatch.setenv("IMGVECD_CONFIG", write("log_level: error"))
    assert load().log_level == "error"


def test_lists_outside_the_file_are_split_like_paths(monkeypatch):
    monkeypatch.setenv("IMGVECD_ROOTS", "/a:/b")
    assert load().roots == ("/a", "/b")
    assert load(overrides={"roots": ["/c:d"]}).roots == ("/c:d",)


def test_the_query_tools_variable_places_the_socket(monkeypatch):
    monkeypatch.setenv("IMGVECD_SOCKET", "/run/x.sock")
    assert load().server.socket == "/run/x.sock"


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("IMGVECD_LOG_LEVEL", "")
    assert load() == Config()


def test_short_and_long_forms(write):
    config = load(write("roots: [/a, {path: /b, watch: poll}]\nmodel: {name: ViT-B-32}"))
    assert config.roots == ("/a", RootConfig(path="/b", watch="poll"))
    assert config.model == ModelConfig(name="ViT-B-32")


def test_a_part_of_the_model_can_be_overridden(write):
    config = load(write("model: ViT-B-32"), {"model.pretrained": "openai"})
    assert config.model == ModelConfig(name="ViT-B-32", pretrained="openai")


@pytest.mark.parametrize("text", ["", "# nothing\n", "watch:\nroots:\n", "--- \n"])
def test_empty_files_and_sections_change_nothing(write, text):
    assert load(write(text)) == Config()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("log_level: info\nwacth:\n  hidden: true\n", ":2: unknown key wacth; did you mean watch?"),
        ("watch:\n  setle_ms: 5\n", ":2: unknown key watch.setle_ms; did you mean watch.settle_ms"),
        ("\n\nsettle_ms: 5\n", ":3: unknown key settle_ms; did you mean watch.settle_ms?"),
        ("roots:\n  - /a\n  - path: /b\n    exlude: []\n", ":4: unknown key roots[1].exlude; did"),
        ("model:\n  nam: x\n", ":2: unknown key model.nam; did you mean model.name?"),
        ("qqqq: 1\n", ":1: unknown key qqqq; valid are roots, exclude, state_dir"),
        ("7: 1\n", ":1: unknown key 7"),
        ("? [a]\n: 1\n", ":1: a key must be a plain word"),
        ("watch:\n  settle_ms: fast\n", ":2: watch.settle_ms: Expected `int`, got `str`"),
        ("watch:\n  hidden: 1\n", ":2: watch.hidden: Expected `bool`, got `int`"),
        ("watch:\n\n  settle_ms: -1\n", ":3: watch.settle_ms: Expected `int` >= 0"),
        ("watch: 5\n", ":1: watch: Expected `object`"),
        ("roots:\n  - /a\n  - 5\n", ":3: roots[1]: Expected"),
        ("roots:\n  - {path: 5}\n", ":2: roots[0].path: Expected `str`"),
        ("roots:\n  - watch: poll\n", ":2: roots[0]: Object missing required field `path`"),
        ("log_level: loud\n", ":1: log_level: Invalid enum value 'loud'; valid are debug, info"),
        ("log_level: info\nlog_level: debug\n", ":2: log_level is given twice (line 1)"),
        ("watch: {\n", ":2: not valid YAML"),
        ("watch:\n\thidden: true\n", ":2: not valid YAML"),
        ("log_level: !!python/object:os.system x\n", ":1: not valid YAML"),
        ("- a\n", ":1: expected `key: value`"),
        ("just words\n", ":1: expected `key: value`"),
        (b"log_level: \xff\n", "not valid YAML"),
        ("a: b\n---\nc: d\n", "not valid YAML"),
        ("log_level: debug\nroots: ['']\n", ":2: roots: expected the path of a folder, got ''"),
        ('roots: ["/a\\0b"]\n', ":1: roots[0]: it holds NUL or half a character"),
        ('roots: [{path: "/a\\ud800"}]\n', ":1: roots[0].path: it holds NUL or half a character"),
        (
            "decode:\n  max_pixels: 99999999999999999999\n",
            ":2: decode.max_pixels: Expected `int` <=",
        ),
        ("decode:\n  max_pixels: " + "9" * 5000, "not valid YAML: Exceeds the limit"),
        ("exclude: &a [*a]\n", "nested too deeply"),
        ("exclude: " + "[" * 500 + "]" * 500, "nested too deeply"),
        (BOMB, "more than 100,000 values"),
    ],
)
def test_complaints_name_file_line_and_key(write, text, complaint):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).startswith(path)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("IMGVECD_WATCH__SETLE_MS", "5", "did you mean watch.settle_ms?"),
        ("IMGVECD_WATCH__SETTLE_MS", "soon", "watch.settle_ms: Expected `int`, got `str`"),
        ("IMGVECD_LOG_LEVEL", "loud", "valid are debug, info, warning, error"),
        ("IMGVECD_WATCH", "x", "unknown key watch"),
    ],
)
def test_complaints_name_the_variable(monkeypatch, variable, value, complaint):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load()
    assert str(caught.value).startswith(variable + ": ")
    assert complaint in str(caught.value)


def test_complaints_name_the_command_line():
    with pytest.raises(ConfigError, match=r"command line: watch.hidden: Expected `bool`"):
        load(overrides={"watch.hidden": "perhaps"})


def test_dump_reads_back_as_the_same(write):
    config = load(overrides={"roots": ["/ä b: c"], "model.name": "x", "watch.hidden": "true"})
    assert load(write(dump(config))) == config


def test_every_setting_can_be_set_from_outside():
    scalars = [s for s in settings().values() if not is_list(s.type) and s.default is not None]
    assert len(scalars) > 20
    for setting in scalars:
        model = {"model": "x"} if setting.key == "model.pretrained" else {}
        load(overrides={**model, setting.key: str(setting.default).lower()})


def test_every_setting_has_a_meaning():
    assert [s.key for s in settings().values() if not s.meaning and "model." not in s.key] == []


def test_the_example_means_the_defaults(write):
    assert load(write(render(["/a", "/b: c"]))) == Config(roots=("/a", "/b: c"))


def test_the_example_with_every_hash_removed_means_the_defaults(write):
    text = render(["/a"])
    forms = re.compile(r"^#model:\n(#  .*\n)+|^  #- path.*\n(  #  .*\n)+", re.MULTILINE)
    shown = re.sub(r"^( *)#(?=\w)", r"\1", forms.sub("", text), flags=re.MULTILINE)
    assert "settle_ms: 500\n" in shown
    assert load(write(shown)) == Config(roots=("/a",))


def test_the_example_lists_every_setting_with_its_default():
    text = render(["/a"])
    for setting in settings().values():
        name = setting.key.rpartition(".")[2]
        if setting.key != "roots" and not setting.key.startswith("model."):
            assert f"#{name}: {quoted(setting.default)}\n" in text, setting.key


def test_settings_have_their_meanings_without_docstrings():
    """`python -OO` drops them."""
    code = "from imgvecd.config.example import render; print(render(['/a']), end='')"
    command = [sys.executable, "-OO", "-c", code]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert printed == render(["/a"])
