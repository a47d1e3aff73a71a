"""docs/troubleshooting.md: every message it explains is one that the program says."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
MESSAGES = re.findall(r"^\| `(.+?)` \|", PAGE, re.MULTILINE)


def spoken(tree):
    """Every text in a module, with … for what is filled in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
            yield "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%[sdr]", "…", node.value)


@pytest.fixture(scope="module")
def texts():
    modules = (ROOT / "imgvecd").rglob("*.py")
    return [text for path in modules for text in spoken(ast.parse(path.read_text()))]


def test_the_page_has_messages():
    assert len(MESSAGES) >= 25


@pytest.mark.parametrize("message", MESSAGES)
def test_the_program_says_so(message, texts):
    pattern = re.compile(".*".join(re.escape(part.strip()) for part in message.split("…")))
    assert any(pattern.search(text) for text in texts), message


def test_each_message_is_explained_once():
    assert len(set(MESSAGES)) == len(MESSAGES)
