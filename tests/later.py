"""Imports that wait for their first use: all test processes collect all files, few need torch."""

import importlib

# pytest looks for fixtures among all that a module holds.
_ASKED_BY_PYTEST = {"_mock_name", "_pytestfixturefunction"}


class Later:
    """A module, or what it has under a name; it is imported when a test uses it.

    To be patched by its whole name: `monkeypatch.setattr("torch.load", …)`.
    """

    def __init__(self, module, name=""):
        self._place = module, name

    def _get(self):
        module, name = self._place
        found = importlib.import_module(module)
        return getattr(found, name) if name else found

    def __getattr__(self, name):
        if name in _ASKED_BY_PYTEST or (name.startswith("__") and name != "__file__"):
            raise AttributeError(name)
        return getattr(self._get(), name)

    def __call__(self, *arguments, **options):
        return self._get()(*arguments, **options)


torch = Later("torch")
open_clip = Later("open_clip")
save_file = Later("safetensors.torch", "save_file")
