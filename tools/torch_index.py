"""Prints where PyTorch should be taken from on this machine; nothing for pip's own index.

pip's own index has builds for NVIDIA GPUs, with some 5 GB of libraries. Where there is no such GPU,
PyTorch's index of CPU wheels is taken, if it can be reached. Standard library only: it runs before
anything is installed.
"""

from __future__ import annotations

import shutil
import sys
import urllib.request

CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
_TIMEOUT_S = 5.0


def main() -> int:
    """Print the index; say on standard error why, where it matters."""
    if sys.platform != "linux" or shutil.which("nvidia-smi"):
        return 0
    try:
        with urllib.request.urlopen(f"{CPU_WHEELS}/torch/", timeout=_TIMEOUT_S):  # noqa: S310  # https
            pass
    except (OSError, ValueError) as error:
        print(
            f"No NVIDIA GPU here, but {CPU_WHEELS} cannot be reached ({error}): PyTorch comes from"
            " pip's own index, which may bring 5 GB of GPU libraries along.",
            file=sys.stderr,
        )
        return 0
    print("No NVIDIA GPU here: PyTorch's CPU build is taken.", file=sys.stderr)
    print(CPU_WHEELS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
