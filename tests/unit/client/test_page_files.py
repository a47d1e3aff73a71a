"""What the page's HTML says of its files."""

import importlib.resources
import re

WEB = importlib.resources.files("imgvecd") / "web"


def imported(name):
    found = {name}
    for module in re.findall(r'from "\./([^"]+)"', (WEB / name).read_text()):
        found |= imported(module)
    return found


def test_every_module_is_asked_for_at_once():
    preloaded = re.findall(
        r'rel="modulepreload" href="/web/([^"]+)"', (WEB / "index.html").read_text()
    )
    assert sorted([*preloaded, "main.js"]) == sorted(imported("main.js"))
