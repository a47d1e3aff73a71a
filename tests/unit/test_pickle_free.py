"""Nothing on disk can run code: no module unpickles, but for one that lets plain values pass."""

import ast
import functools
import importlib.util
from pathlib import Path

import imgvecd

PACKAGE = Path(imgvecd.__file__).parent
# Whatever these load can call anything.
DANGEROUS = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
RESTRICTED = PACKAGE / "core" / "library" / "legacy_records.py"


@functools.cache
def modules():
    return [(path, ast.parse(path.read_text())) for path in PACKAGE.rglob("*.py")]


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Call) and "import_module" in {
            getattr(node.func, "attr", ""),
            getattr(node.func, "id", ""),
        }:
            yield ast.unparse(node.args[0]).strip("'\"")


def calls(tree):
    return [
        (ast.unparse(node.func), {keyword.arg: keyword.value for keyword in node.keywords})
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]


def test_no_module_imports_what_unpickles():
    users = {
        path
        for path, tree in modules()
        for name in imported(tree)
        if name.split(".")[0] in DANGEROUS
    }
    assert users == {RESTRICTED}


def test_the_one_exception_unpickles_by_its_own_rules_only():
    tree = ast.parse(RESTRICTED.read_text())
    used = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle"
    }
    assert used == {"pickle.Unpickler"}
    (subclass,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and "pickle.Unpickler" in map(ast.unparse, node.bases)
    )
    assert [node.name for node in subclass.body if isinstance(node, ast.FunctionDef)] == [
        "find_class"
    ]


def test_numpy_and_torch_load_numbers_only():
    for path, tree in modules():
        for name, arguments in calls(tree):
            assert "allow_pickle" not in arguments, path
            if name in {"torch.load", "torch.jit.load"}:
                assert ast.unparse(arguments["weights_only"]) == "True", path


def test_open_clip_is_left_to_load_weights_only():
    for path, tree in modules():
        for name, arguments in calls(tree):
            if name.startswith("open_clip."):
                given = {key for key in arguments if key and "weights_only" in key}
                assert not given, f"{path}: {name}"
    (folder,) = importlib.util.find_spec("open_clip").submodule_search_locations
    source = Path(folder, "factory.py").read_text()  # to import it would take five seconds
    defaults = [
        ast.unparse(default)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        for argument, default in zip(node.args.args[::-1], node.args.defaults[::-1], strict=False)
        if "weights_only" in argument.arg
    ]
    assert defaults
    assert set(defaults) == {"True"}
