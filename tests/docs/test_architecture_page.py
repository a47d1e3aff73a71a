"""What ARCHITECTURE.md says of modules, imports and names is what the code does."""

import ast
import collections
import functools
import importlib.util
import itertools
import re
import tomllib
from pathlib import Path

from imgvecd.core import threads

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "imgvecd"
PAGE = (ROOT / "ARCHITECTURE.md").read_text()
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists())


@functools.cache
def modules():
    """Return the file of each module, by its name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


def imported(path):
    """Return the modules of imgvecd that a file imports, wherever in it."""
    tree = parsed(path)
    for_types = {
        child
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    known = modules().keys()
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("imgvecd"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in known else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def test_modules_that_it_names_exist():
    named = set(re.findall(rf"`(?:imgvecd\.)?((?:{'|'.join(ROOMS)})(?:\.[a-z_]+)+)`", PAGE))
    assert len(named) > 5
    for name in named:
        assert importlib.util.find_spec(f"imgvecd.{name}"), name


def test_the_map_has_every_room():
    drawn = PAGE[PAGE.index("## Map") : PAGE.index("Imports point down")]
    for room in ROOMS:
        assert re.search(rf"\b{room}\b", drawn), room
    for folder in (*(PACKAGE / "core").iterdir(), *(PACKAGE / "catalog").iterdir()):
        if (folder / "__init__.py").exists():
            assert f"{folder.name}/" in drawn, folder


def test_the_layers_are_those_of_the_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = [each["layers"] for each in contracts["contracts"] if each["type"] == "layers"]
    depth = {
        module.strip().removeprefix("imgvecd."): number
        for number, layer in enumerate(layers)
        for module in layer.split("|")
    }
    start = PAGE.index("Imports point down")
    chain = re.findall(
        r"`([a-z, ]+)`(?= →|\.| → )", PAGE[start : PAGE.index("The query tool", start)]
    )
    told = [[depth[module] for module in step.split(", ")] for step in chain]
    assert len(told) > 8
    for above, below in itertools.pairwise(told):
        assert max(above) < min(below)


def test_the_pools_of_threads_are_those_that_there_are():
    told = re.search(r"`core\.threads`: ([a-z,\s]+)\)", PAGE)[1]
    pools = [each.name for each in vars(threads).values() if isinstance(each, threads.ThreadPool)]
    assert re.split(r",\s+", told) == pools


def test_packages_of_one_adapter_are_imported_by_it_alone():
    only = {"watchdog": "adapters.watchdog_", "torch": "adapters.openclip", "faiss": "adapters.f"}
    only |= {"defusedxml": ("adapters.xmp_packet", "client.desktop.thunar")}
    only |= {"openvino": "adapters.imagetower", "PIL": ("adapters.", "picture_input", "client.p")}
    for name, path in modules().items():
        tree = ast.walk(parsed(path))
        found = {
            part.partition(".")[0]
            for node in tree
            if isinstance(node, ast.Import | ast.ImportFrom)
            for part in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
            + [alias.name for alias in node.names if isinstance(node, ast.Import)]
        }
        for package in found & only.keys():
            assert name.removeprefix("imgvecd.").startswith(only[package]), (name, package)


def test_every_dependency_is_explained():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *(d for name in extras if name != "dev" for d in extras[name]),
    ]
    table = PAGE[PAGE.index("## Dependencies") : PAGE.index("## On disk")].lower()
    for line in wanted:
        name = re.match(r"[\w.-]+", line)[0].lower()
        assert name == "imgvecd" or name in table, name


def test_imports_have_no_circles():
    graph = {name: set(imported(path)) - {name} for name, path in modules().items()}
    while True:
        leaves = {name for name, wanted in graph.items() if not wanted & graph.keys()}
        if not leaves:
            break
        graph = {name: wanted for name, wanted in graph.items() if name not in leaves}
    assert graph == {}


def test_a_class_has_a_name_of_its_own():
    names = collections.Counter(
        node.name
        for path in modules().values()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert [name for name, count in names.items() if count > 1] == []
