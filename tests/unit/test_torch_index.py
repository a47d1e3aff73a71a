"""Which build of PyTorch is installed: the CPU's where there is no NVIDIA GPU and it can be had."""

import contextlib

import pytest

from tools import torch_index


@pytest.fixture
def machine(monkeypatch):
    """A function that sets what this machine has."""

    def has(*, gpu, reachable):
        def opened(_url, timeout):
            assert timeout <= 10
            if not reachable:
                raise OSError("no way there")
            return contextlib.nullcontext()

        monkeypatch.setattr(torch_index.sys, "platform", "linux")
        monkeypatch.setattr(torch_index.shutil, "which", lambda _: "nvidia-smi" if gpu else None)
        monkeypatch.setattr(torch_index.urllib.request, "urlopen", opened)

    return has


@pytest.mark.parametrize(
    ("gpu", "reachable", "index"),
    [(False, True, f"{torch_index.CPU_WHEELS}\n"), (False, False, ""), (True, True, "")],
)
def test_the_build_fits_the_machine(machine, capsys, gpu, reachable, index):
    machine(gpu=gpu, reachable=reachable)
    assert torch_index.main() == 0
    shown = capsys.readouterr()
    assert shown.out == index
    assert ("5 GB" in shown.err) == (not gpu and not reachable)
